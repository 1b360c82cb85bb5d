from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import feed
from feed.client import collect
from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed, MessageError, SettingError
from feed.protocol.messages import Heartbeat
from feed.ticks import Quote, Trade

Fakes = Callable[..., Any]


def trade(seq: int) -> Trade:
    return Trade("A", seq, seq, float(seq), 1, 0)


def quote(seq: int) -> Quote:
    return Quote("A", seq, seq, float(seq), 1, seq + 1.0, 1, 0)


@pytest.fixture
def told(fake_transport: Fakes, lines: Fakes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The transport that the next connection reads."""
    transport = fake_transport()

    def connect(url: str, symbols: str, **_: Any) -> Any:
        return lines(transport).connect(symbols=[symbols])

    monkeypatch.setattr(collect, "connect", connect)
    return transport


def test_ticks_of_one_channel_are_a_frame_of_it(told: Any) -> None:
    told.tell([trade(1), trade(2), trade(3)])
    table = feed.ticks("ws://feed", "A", n=2, channels="trades")
    assert table["seq"].tolist() == [1, 2]
    assert "type" not in table.columns
    assert told.closed


def test_ticks_of_several_channels_are_in_the_order_they_came(told: Any) -> None:
    told.tell([trade(1), quote(1), quote(2), trade(2), quote(3)])
    table = feed.ticks("ws://feed", "A", n=4)
    assert table["type"].tolist() == ["trade", "quote", "quote", "trade"]
    assert table["seq"].tolist() == [1, 1, 2, 2]
    assert table["symbol"].dtype == "category"
    assert table["price"].isna().tolist() == [False, True, True, False]


def test_it_ends_when_time_is_up(told: Any) -> None:
    assert len(feed.ticks("ws://feed", "A", seconds=0.01)) == 0


def test_it_ends_when_the_sources_have(told: Any) -> None:
    told.tell([trade(1)])
    told.tell(Heartbeat(1, 0, 0.0, {"replay": "ended"}))
    assert len(feed.ticks("ws://feed", "A", n=10)) == 1


def test_a_connection_that_fails_is_told(told: Any) -> None:
    told.tell(Disconnected(4502, "not entitled"))
    with pytest.raises(ConnectionFailed, match="4502"):
        feed.ticks("ws://feed", "A", n=1)


def test_symbols_that_the_feed_does_not_send_are_told(told: Any) -> None:
    with pytest.raises(MessageError, match="no"):
        feed.ticks("ws://feed", "NOPE", n=1)


def test_there_must_be_an_end() -> None:
    with pytest.raises(SettingError, match="n or seconds must be given"):
        feed.ticks("ws://feed", "A")
