"""When the rows of a block are due, and that they are published then.

A burst of a few ticks is due hundreds of times a second, so what that takes is here in Python, to
be read, and in `_schedule.c`, which is used where it could be compiled (FEED_PURE_PYTHON=1 keeps to
Python).
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from feed.sources.base import BURST_TICKS, Publish
from feed.tape.slices import Slice, Slices, instants

MIN_WAIT_S: Final = 0.0008
"""The shortest rest after a burst: a wake-up costs more than so much is worth. From a whole
millisecond on, a tick of Linux's timer, the same burst takes half as much CPU time again."""


class Schedule:
    """Publishes rows from `row` on, each at `started_s + (time - first_ns) / ns_per_s` or later.

    Args:
        publish: takes bursts.
        monotonic_s: the clock.
        otherwise: plays instead while `must_heed` is set, and once all rows are published.

    Attributes:
        must_heed: whether there is something to heed, so that rows are not just due at their times.
        row: the next one.
        ticks: how many were published, of all blocks.
        lag_s: how late the newest burst was.
        strained: whether somebody did not take all of it.
    """

    def __init__(
        self,
        publish: Publish,
        monotonic_s: Callable[[], float],
        otherwise: Callable[[], float | None],
    ) -> None:
        self._publish = publish
        self._monotonic_s = monotonic_s
        self._otherwise = otherwise
        self.started_s, self.first_ns, self.ns_per_s = 0.0, 0, 1.0
        self.must_heed, self.strained, self.lag_s = True, False, 0.0
        self.row = self.ticks = 0
        self._slices: Slices
        self._times: memoryview[int] = memoryview(b"")

    def open(self, slices: Slices) -> None:
        """Go on with the rows of another block, the first one first."""
        self._slices, self._times, self.row = slices, instants(slices.block.times), 0

    def play_due(self) -> float | None:
        """Publish what is due; gives how long to wait before the next call."""
        if self.must_heed or self.row == len(self._times):
            return self._otherwise()
        times, row, ns_per_s = self._times, self.row, self.ns_per_s
        now_s = self._monotonic_s()
        tape_ns = self.first_ns + int((now_s - self.started_s) * ns_per_s)
        due = bisect_right(times, tape_ns, row)
        if due > row:
            self.lag_s = max(now_s - self.started_s - (times[row] - self.first_ns) / ns_per_s, 0.0)
            row = self.publish_until(due)
            if row < due or row == len(times):
                return 0.0
        # A rest follows, though by now something may be due: that would be one send a tick.
        wait_s = (times[row] - tape_ns) / ns_per_s
        if wait_s > MIN_WAIT_S:
            wait_s -= self._monotonic_s() - now_s
        return max(wait_s, MIN_WAIT_S)

    def publish_until(self, due: int) -> int:
        """Publish a burst of the rows before `due`, and give where the next one begins."""
        row = self.row
        self.row = stop = min(due, row + BURST_TICKS)
        self.ticks += stop - row
        self.strained = bool(self._publish(Slice(self._slices, row, stop)))
        return stop


IN_PYTHON: Final = Schedule

if not TYPE_CHECKING and not os.environ.get("FEED_PURE_PYTHON"):
    with suppress(ImportError):
        from feed.sources import _schedule

        Schedule = partial(_schedule.Schedule, Slice, BURST_TICKS, MIN_WAIT_S)

IN_C: Final[bool] = Schedule is not IN_PYTHON
"""Whether what is used is compiled."""
