from __future__ import annotations

import pytest

from feed.hub.stream import Stream


@pytest.mark.parametrize(
    ("channel", "is_event"),
    [("quotes", False), ("trades", True), ("bars", False), ("status", False)],
)
def test_only_trades_are_events(channel: str, is_event: bool) -> None:
    assert Stream(channel, "A").is_event is is_event


def test_a_stream_is_unused_until_it_has_a_tick() -> None:
    stream = Stream("quotes", "A")
    assert stream.unused
    stream.seq = 1
    assert not stream.unused
