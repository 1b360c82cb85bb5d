from __future__ import annotations

from typing import Any

import pytest

from feed.history.want import Position, Want, read_position
from feed.ticks import Bar, Tick
from tests.fakes import trade


def want(**fields: Any) -> Want:
    return Want("trades", "A", 10, **fields)


def test_a_position_reads_back_what_it_is_written_as() -> None:
    position = Position("28df43a4", 1042)
    assert str(position) == "28df43a4:1042"
    assert read_position(str(position)) == position


@pytest.mark.parametrize("text", ["", "1042", "a:", ":1", "a:-1", "a:1:2", "A:1", "a:1 ", "a:٣"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be EPOCH:SEQ"):
        read_position(text)


def test_without_a_beginning_the_newest_is_wanted() -> None:
    assert want(to_ns=5).is_newest
    assert not want(from_ns=5).is_newest
    assert not want(first=Position("a", 1)).is_newest


def bar(interval: str) -> Bar:
    return Bar("A", 0, interval, 5, 1.0, 1.0, 1.0, 1.0, 1, 1.0, 1, 0)


@pytest.mark.parametrize(
    ("fields", "tick", "taken"),
    [
        ({}, trade(ts_event=5), True),
        ({"from_ns": 5}, trade(ts_event=5), True),
        ({"from_ns": 6}, trade(ts_event=5), False),
        ({"to_ns": 6}, trade(ts_event=5), True),
        ({"to_ns": 5}, trade(ts_event=5), False),
        ({"until_ns": 0}, trade(), True),
        ({"until_ns": -1}, trade(), False),
        ({"interval": "1m"}, bar("1m"), True),
        ({"interval": "1m"}, bar("1s"), False),
    ],
)
def test_bounds_say_what_is_wanted(fields: dict[str, Any], tick: Tick, taken: bool) -> None:
    assert want(**fields).pick([tick]) == ([tick] if taken else [])
