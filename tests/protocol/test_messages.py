from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from feed.protocol.codec import decode, encode
from feed.protocol.messages import (
    AnyCommand,
    Authenticated,
    BadTick,
    Closing,
    Epoch,
    ErrorMessage,
    Heartbeat,
    Message,
    Notice,
    Pong,
    Published,
    Rejection,
    Resumed,
    Skipped,
    Snapshot,
    SourcePosition,
    Statistics,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)
from feed.ticks import Quote, Trade

EXAMPLES: list[Any] = [
    Authenticated("desk-2", 1795693318, id=1),
    Welcome(1, "7f3a", "k3f9", 5.0, "none"),
    Published(1, [1042, None], [BadTick(1, "A", "bad_tick", "no")], id=3),
    Subscribed({"quotes": ["AAPL"]}, id=1, rejected=[Rejection("APPL", "unknown_symbol", "no")]),
    Snapshot(
        "AAPL",
        {"quotes": 1041, "trades": 77},
        quote=Quote("AAPL", 1041, 5, 187.21, 300, 187.23, 500, 6),
        trade=Trade("AAPL", 77, 4, 187.22, 100, 6),
        session=Statistics(open=187.0, high=188.0, low=186.5, last=187.22, volume=100, vwap=187.22),
    ),
    Skipped("quotes", "AAPL", 1043, 1050, 8, "conflated"),
    Resumed("quotes", "AAPL", 1042, 1060, complete=True),
    Heartbeat(7, 0, 0.2, {"replay": "live"}, {"replay": SourcePosition(5, 1.0, 9)}),
    Epoch("k3fa", "seek"),
    Pong(7, id="p"),
    Notice("a sentence"),
    ErrorMessage("bad_message", "symbols must be a list of strings", id=3),
    Closing(4000, "draining", reconnect=True),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda own: type(own).__name__)
def test_a_message_reads_back_as_it_was_written(message: Any) -> None:
    assert decode(encode(message)) == message


def test_every_message_of_the_server_has_an_example_here() -> None:
    ticks = {"quote", "trade", "bar", "status"}
    tags = {kind.__struct_config__.tag for kind in get_args(Message)}
    assert tags - ticks == {own.__struct_config__.tag for own in EXAMPLES}


def test_type_comes_first_on_the_wire() -> None:
    assert encode(Closing(4001, "slow consumer", reconnect=True)) == (
        b'{"type":"closing","code":4001,"reason":"slow consumer","reconnect":true}'
    )


def test_an_answer_without_id_has_no_id_on_the_wire() -> None:
    assert encode(Pong(7)) == b'{"type":"pong","ts_out":7}'
    assert b'"id"' not in encode(Subscribed({}))


def test_an_ack_without_rejections_has_none_on_the_wire() -> None:
    assert encode(Subscribed({}, id=1)) == b'{"type":"subscribed","subscriptions":{},"id":1}'


def test_a_snapshot_holds_only_what_is_known() -> None:
    wire = encode(Snapshot("AAPL", {"quotes": 0}))
    assert wire == b'{"type":"snapshot","symbol":"AAPL","seqs":{"quotes":0}}'


def test_lag_is_told_to_the_microsecond() -> None:
    assert Heartbeat(7, 0, 0.123456, {}).lag_ms == 0.123


def test_a_subscribe_takes_quotes_and_trades_adaptively_with_snapshot_unless_told_otherwise() -> (
    None
):
    command = msgspec.convert({"type": "subscribe", "symbols": ["A"]}, Subscribe)
    assert command == Subscribe(["A"], ["quotes", "trades"], "adaptive", 250, True, None, None)


def test_an_unsubscribe_names_all_channels_unless_told_otherwise() -> None:
    assert msgspec.convert({"type": "unsubscribe", "symbols": ["A"]}, Unsubscribe).channels is None


@pytest.mark.parametrize("interval_ms", [9, 60_001, 250.5, "250", None, True])
def test_an_interval_is_an_integer_of_10_ms_to_a_minute(interval_ms: object) -> None:
    raw = {"type": "subscribe", "symbols": ["A"], "interval_ms": interval_ms}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(raw, Subscribe)


def test_a_field_that_is_unknown_is_ignored() -> None:
    commands = {kind.__struct_config__.tag: kind for kind in get_args(AnyCommand)}
    raw = {"type": "ping", "id": 1, "colour": "green"}
    assert msgspec.convert(raw, commands["ping"]).id == 1
