from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from feed.errors import MessageError, TickError
from feed.protocol.codec import PUBLISH_TICKS, read_command
from feed.protocol.messages import Publish
from feed.protocol.newticks import NewBar, NewQuote, NewTrade, read_tick


def publish(ticks: Any, **fields: Any) -> Publish:
    command = read_command(orjson.dumps({"type": "publish", "ticks": ticks} | fields))
    assert isinstance(command, Publish)
    return command


GOOD = {"type": "trade", "symbol": "A", "price": 1.5}


def test_ticks_are_read_as_what_they_are_without_any_stamp() -> None:
    quote = {"type": "quote", "symbol": "A", "bid": 1, "ask": 2, "seq": 9, "ts_out": 9}
    assert publish([quote, GOOD], id=7, echo=True) == msgspec.convert(
        {"type": "publish", "ticks": [NewQuote("A", 1.0, 2.0), NewTrade("A", 1.5)]}
        | {"id": 7, "echo": True},
        type(publish([GOOD])),
    )


def test_a_bad_tick_takes_only_its_own_place() -> None:
    first, second, third = publish([GOOD, {"type": "trade", "symbol": "B"}, GOOD]).ticks
    assert first == third == NewTrade("A", 1.5)
    assert isinstance(second, TickError)
    assert (second.symbol, second.code) == ("B", "bad_tick")


def test_ticks_that_were_read_from_a_feed_can_be_published_again() -> None:
    bar = {
        "type": "bar", "symbol": "A", "seq": 3, "interval": "1m", "ts_event": 5, "open": 1,
        "high": 1, "low": 1, "close": 1, "volume": 0, "vwap": None, "trades": 0, "ts_out": 6,
        "basis": "quotes",
    }  # fmt: skip
    assert isinstance(read_tick(bar), NewBar)


@pytest.mark.parametrize(
    ("ticks", "text"),
    [
        ([], f"ticks must be 1 to {PUBLISH_TICKS} ticks, were 0"),
        ([GOOD] * (PUBLISH_TICKS + 1), f"were {PUBLISH_TICKS + 1}"),
        ([0] * (PUBLISH_TICKS + 1), f"were {PUBLISH_TICKS + 1}"),
        ("AAPL", "ticks must be a list of ticks, was 'AAPL'"),
        (None, "ticks must be a list of ticks, was null"),
    ],
)
def test_a_publish_without_a_list_of_some_ticks_is_refused_as_a_whole(
    ticks: Any, text: str
) -> None:
    with pytest.raises(MessageError, match="ticks must be") as raised:
        publish(ticks, id=4)
    assert text in str(raised.value)
    assert raised.value.id == 4


def test_nan_is_read_in_a_publish_only() -> None:
    assert isinstance(read_command(b'{"type":"publish","ticks":[NaN]}'), Publish)
    for data in (b'{"type":"ping","id":NaN}', b'{"type":"publish","ticks":[NaN'):
        with pytest.raises(MessageError) as raised:
            read_command(data)
        assert raised.value.code == "bad_json"


def test_a_symbol_that_no_encoder_takes_is_shown_without_harm() -> None:
    error = read_tick({"type": "trade", "symbol": "\ud800", "price": 0})
    assert isinstance(error, TickError)
    assert error.symbol == "?"
