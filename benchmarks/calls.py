"""What the path of a tick costs, counted instead of timed: function calls and new objects.

The counts are the same on every machine, so a test can hold them (tests/test_hot_path.py). They
are of what is between a source, or a publisher, and the sockets: `publish` and `flush`, eight
cohorts that all take every tick.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from time import time_ns
from types import FrameType
from typing import Any

import numpy as np

from feed.clock import SystemClock
from feed.hub.cohort import Segment
from feed.hub.hub import Hub
from feed.hub.intake import Intake
from feed.hub.interval import Interval
from feed.hub.pending import Target
from feed.hub.steps import Pace, finish
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.hub.tickerplant import Tickerplant
from feed.sessions.expiry import NEVER_NS
from feed.tape.block import TickBlock, block_of
from feed.tape.slices import Slice, Slices
from feed.ticks import Quote, Tick

COHORTS = 8
SYMBOLS = 100
TICKS = 2_000
FEW_TICKS = 3
BURSTS = 4
"""Measured after one more, which is not: it fills what is filled only once."""


class Everybody:
    """Nobody's token expires."""

    def __init__(self) -> None:
        self.ends = self
        self.next_ns = NEVER_NS

    def expire(self, now_ns: int) -> None:
        """End nobody."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts per tick.

    Attributes:
        python_calls: Python functions called.
        c_calls: functions written in C called from Python.
    """

    python_calls: float
    c_calls: float


class Taker:
    """A member that takes everything."""

    @property
    def target(self) -> Target:
        """Be given the bytes directly."""
        return self.write

    def write(self, buffer: bytes) -> int:
        """Take all of it."""
        return len(buffer)

    def fall_behind(self, segment: Segment, sent: int) -> None:
        """Never happens to one that takes everything."""
        raise AssertionError("taking everything is never short")

    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        """Never happens here."""

    def offer(self, segment: Segment) -> None:
        """Never happens either."""
        raise AssertionError("nobody is behind")


def fan_out(*, batched: bool, cohorts: int = COHORTS, rows: bool = False) -> Cost:
    """Count what one tick costs that goes to every cohort, each with a watchlist of its own.

    Args:
        rows: whether it comes as a row of a block, as from a source, or as an object.
    """
    hub, names = _hub(cohorts, batched=batched)
    plant = Tickerplant(hub.index, hub.receive, SystemClock())
    bursts = iter([_burst(names, number) for number in range(BURSTS + 1)])
    slices = Slices(_block(names))
    intake = Intake(plant, hub, time_ns, Everybody(), as_rows=True, brings_bars=True)
    starts = count(0, TICKS)

    def turn() -> None:
        if rows:
            start = next(starts)
            intake.send(Slice(slices, start, start + TICKS))
        else:
            plant.publish(next(bursts))
            hub.flush()

    def turns() -> None:
        for _ in range(BURSTS):
            turn()

    turn()
    python_calls, c_calls = count_calls(turns)
    return Cost(python_calls / (BURSTS * TICKS), c_calls / (BURSTS * TICKS))


def small_burst() -> Cost:
    """Count what a burst of a few rows costs: the calls are of the burst, not of a tick."""
    hub, names = _hub(COHORTS, batched=False)
    plant = Tickerplant(hub.index, hub.receive, SystemClock())
    intake = Intake(plant, hub, time_ns, Everybody(), as_rows=True, brings_bars=False)
    slices = Slices(_block(names))
    parts = [Slice(slices, at * FEW_TICKS, (at + 1) * FEW_TICKS) for at in range(BURSTS + 1)]
    intake.send(parts[0])

    def turns() -> None:
        for part in parts[1:]:
            intake.send(part)

    python_calls, c_calls = count_calls(turns)
    return Cost(python_calls / BURSTS, c_calls / BURSTS)


def _hub(cohorts: int, *, batched: bool) -> tuple[Hub, list[str]]:
    """Make a hub with cohorts that take all of some symbols."""
    hub = Hub(lambda flush: None)
    names = [f"S{i:03}" for i in range(SYMBOLS)]
    for number in range(cohorts):
        wish = [*names, f"OWN{number}"]
        terms = {Subscription("quotes", name): Terms("adaptive") for name in wish}
        with hub.index.held(Subscriptions(terms), batched=batched) as cohort:
            finish(hub.index.fill(cohort, Pace()))
            cohort.join(Taker(), behind=False)
    return hub, names


def count_calls(work: Callable[[], object]) -> tuple[int, int]:
    """Run something and count the calls of Python functions and of functions in C."""
    counts = {"call": 0, "c_call": 0}

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        if event in counts:
            counts[event] += 1

    before = sys.getprofile()
    gc.disable()  # a finaliser that happens to run would be counted
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return counts["call"], counts["c_call"]


def _burst(names: list[str], number: int) -> list[Tick]:
    first = number * TICKS // len(names)
    return [
        Quote(name, first + turn + 1, 5, 1.25, 300, 1.5, 500, 6)
        for turn in range(TICKS // len(names))
        for name in names
    ]


def _block(names: list[str]) -> TickBlock:
    size = (BURSTS + 1) * TICKS
    bids, sizes = np.arange(size) / 100 + 1, np.arange(size)
    columns = {"bid": bids, "bid_size": sizes, "ask": bids + 1, "ask_size": sizes}
    return block_of(Quote, np.arange(size), names, np.arange(size) % len(names), columns)


if __name__ == "__main__":
    for form in (False, True):
        print("batched" if form else "plain", fan_out(batched=form))
    print("rows", fan_out(batched=False, rows=True))
    print("a small burst", small_burst())
    print("nobody listens", fan_out(batched=False, cohorts=0))
