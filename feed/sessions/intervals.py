"""When sessions get what they take at an interval: the newest tick of each stream that ticked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from feed.clock import Clock
from feed.hub.interval import Interval
from feed.hub.steps import STEP, Pace, Steps

SHARE_S: Final = 0.004
"""How long the intervals may keep a turn of the loop, whatever is due."""

_FINISHED: Final = object()


class Intervals:
    """Serves the cohorts of a hub in fair order, as many steps in a turn as fit its share.

    Args:
        later: calls a function once, after a delay in seconds.
    """

    def __init__(self, later: Callable[[float, Callable[[], None]], object], clock: Clock) -> None:
        self._later = later
        self._clock = clock
        self._pace = Pace()
        self._works: deque[Steps] = deque()
        self._running = False
        self._rested_s = 0.0

    def wake(self, interval: Interval) -> None:
        """Serve an interval as soon as it is due again."""
        wait_s = max(0.0, interval.due_s - self._clock.monotonic_s())
        self._later(wait_s, lambda: self._begin(self._serve(interval)))

    def _serve(self, interval: Interval) -> Steps:
        interval.due_s = self._clock.monotonic_s() + interval.interval_s
        due = interval.take()
        for at in range(0, len(due), STEP):
            part = due[at : at + STEP]
            interval.ask(part)
            if self._pace(len(part)):
                yield
            for member in interval.cohort.everybody():
                if interval.cohort.has(member):
                    member.take_newest(interval, part)
                if self._pace(len(part)):
                    yield

    def _begin(self, work: Steps) -> None:
        """Begin at once, or after a rest as long as the work before it, as many may be due."""
        self._works.append(work)
        if self._running:
            return
        self._running = True
        wait_s = self._rested_s - self._clock.monotonic_s()
        if wait_s > 0:
            self._later(wait_s, self._run)
        else:
            self._run()

    def _run(self) -> None:
        begun_s = now_s = self._clock.monotonic_s()
        try:
            while self._works and now_s - begun_s < SHARE_S:
                work = self._works.popleft()
                if next(work, _FINISHED) is not _FINISHED:
                    self._works.append(work)
                now_s = self._clock.monotonic_s()
        finally:  # whatever happened, nobody is left waiting
            self._rested_s = 2 * now_s - begun_s
            self._running = bool(self._works)
            if self._works:
                self._later(0.0, self._run)
