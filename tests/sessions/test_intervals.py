from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from feed.hub.cohort import Cohort
from feed.hub.interval import Interval
from feed.hub.steps import STEP
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.sessions.intervals import SHARE_S, Intervals
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


class Slow(Member):
    """Takes its time."""

    def __init__(self, clock: FakeClock, each_s: float) -> None:
        super().__init__()
        self._clock, self._each_s = clock, each_s

    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        super().take_newest(interval, streams)
        self._clock.passed_s += self._each_s


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


def test_a_turn_takes_as_many_steps_as_fit_its_share_and_none_waits_for_all_of_another() -> None:
    loop = Loop()
    many, few = Slow(loop.clock, SHARE_S), Member()
    tick(loop.interval(3 * STEP, many))
    tick(loop.interval(1, few))
    loop.turn()
    assert (len(many.given), few.given) == (STEP, [])
    loop.turn()
    assert few.given
    for _ in range(5):
        loop.turn()
    assert len(many.given) == 3 * STEP
    assert loop.timers == []


def test_many_that_are_due_at_once_are_served_with_a_rest_between_them() -> None:
    loop = Loop()
    members = [Slow(loop.clock, SHARE_S / 4) for _ in range(9)]
    for own in members:
        tick(loop.interval(1, own))
    served = []
    for _ in range(4):
        loop.turn()
        served.append(sum(bool(own.given) for own in members))
    assert served == [1, 5, 9, 9]


def test_a_cohort_of_which_nobody_is_left_is_looked_through_in_steps_too() -> None:
    loop = Loop()
    interval = loop.interval(3 * STEP)
    asked: list[int] = []

    def ask(_: Interval, streams: list[Stream]) -> None:
        asked.append(len(streams))
        loop.clock.passed_s += SHARE_S

    tick(interval)
    with patch.object(Interval, "ask", ask):
        loop.turn()
        assert asked == [STEP]
        for _ in range(3):
            loop.turn()
    assert asked == [STEP] * 3


def test_members_that_fail_keep_nobody_else_waiting() -> None:
    loop, member = Loop(), Member()
    tick(loop.interval(1, Broken()))
    with pytest.raises(KeyError):
        loop.turn()
    tick(loop.interval(1, member))
    loop.turn()
    assert member.given


def test_who_leaves_in_the_meantime_is_given_nothing_more() -> None:
    loop = Loop()
    member = Slow(loop.clock, SHARE_S)
    interval = loop.interval(2 * STEP, member)
    tick(interval)
    loop.turn()
    interval.cohort.leave(member)
    loop.turn()
    assert len(member.given) == STEP
