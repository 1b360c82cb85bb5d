from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from feed.hub.cohort import Cohort
from feed.hub.interval import Interval
from feed.hub.steps import STEP
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.sessions.intervals import Intervals
from tests.fakes import FakeClock


class Member:
    """Notes what it is given."""

    target = -1

    def __init__(self) -> None:
        self.given: list[Stream] = []

    def write(self, buffer: Any) -> int:
        return len(buffer)

    def fall_behind(self, segment: Any, sent: int) -> None: ...

    def offer(self, segment: Any) -> None: ...

    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        self.given += streams


class Broken(Member):
    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        raise KeyError("a mistake of ours")


class Loop:
    """Time and timers by hand, for cohorts that take many streams."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.intervals = Intervals(
            lambda delay_s, call: self.timers.append((delay_s, call)), self.clock
        )

    def interval(self, streams: int, *members: Member) -> Interval:
        cohort = Cohort(Subscriptions(), batched=False)
        interval = Interval(cohort, 250, self.intervals.wake)
        for number in range(streams):
            cohort.latest[Stream("quotes", f"S{number}")] = interval
        for member in members:
            cohort.join(member, behind=False)
        return interval

    def turn(self) -> None:
        due, self.timers[:] = self.timers[:], []
        for _, call in due:
            call()


def tick(interval: Interval) -> None:
    for stream in interval.cohort.latest:
        interval.tell(stream)


def test_what_ticked_is_given_at_once_after_silence_and_then_once_per_interval() -> None:
    loop, member = Loop(), Member()
    interval = loop.interval(2, member)
    loop.clock.passed_s = 100.0
    tick(interval)
    assert [delay_s for delay_s, _ in loop.timers] == [0.0]
    loop.turn()
    assert member.given == list(interval.cohort.latest)
    loop.clock.passed_s = 100.1
    tick(interval)
    [(delay_s, _)] = loop.timers
    assert delay_s == pytest.approx(0.15)


def test_all_together_are_given_one_step_in_a_turn_and_none_waits_for_all_of_another() -> None:
    loop, many, few = Loop(), Member(), Member()
    tick(loop.interval(3 * STEP, many))
    tick(loop.interval(1, few))
    loop.turn()
    assert len(many.given) == STEP
    loop.turn()
    loop.turn()
    assert few.given
    assert len(many.given) <= 3 * STEP
    for _ in range(5):
        loop.turn()
    assert len(many.given) == 3 * STEP
    assert loop.timers == []


def test_members_that_fail_keep_nobody_else_waiting() -> None:
    loop, member = Loop(), Member()
    tick(loop.interval(1, Broken()))
    with pytest.raises(KeyError):
        loop.turn()
    tick(loop.interval(1, member))
    loop.turn()
    assert member.given


def test_who_leaves_in_the_meantime_is_given_nothing_more() -> None:
    loop, member = Loop(), Member()
    interval = loop.interval(2 * STEP, member)
    tick(interval)
    loop.turn()
    interval.cohort.leave(member)
    loop.turn()
    assert len(member.given) == STEP
