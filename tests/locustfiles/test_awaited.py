from __future__ import annotations

import pytest

from feed.protocol.messages import Resume, Subscribe
from locustfiles.awaited import Awaited


class Clock:
    """Stands still until it is moved."""

    at_s = 0.0

    def now_ns(self) -> int:
        return int(self.at_s * 1e9)

    def monotonic_s(self) -> float:
        return self.at_s


def test_the_last_snapshot_ends_the_waiting_and_its_time_is_told_once() -> None:
    clock, told = Clock(), list[tuple[str, float]]()
    awaited = Awaited(clock, lambda name, seconds: told.append((name, seconds)))
    awaited.begin("snapshot")
    awaited.snapshots(["A", "B"])
    clock.at_s = 2.0
    for symbol in ("A", "X", "A"):
        awaited.came("", symbol)
    assert awaited
    awaited.came("", "B")
    awaited.came("", "B")
    assert not awaited
    assert told == [("snapshot", 2.0)]


@pytest.mark.parametrize("symbols", [["A", "B"], ["*"]])
def test_only_streams_with_a_position_are_resumed(symbols: list[str]) -> None:
    awaited = Awaited(Clock(), lambda name, seconds: None)
    awaited.resumes([Subscribe(symbols, ["quotes"], resume=Resume("e", quotes={"A": 4}))])
    assert awaited.resuming
    awaited.came("quotes", "A")
    assert not awaited.resuming


def test_who_asks_for_no_resume_awaits_none() -> None:
    awaited = Awaited(Clock(), lambda name, seconds: None)
    awaited.resumes([Subscribe(["A"], ["quotes"])])
    assert not awaited
    assert not awaited.resuming
