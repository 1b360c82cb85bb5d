"""Time as an argument: the two clocks of a process, and the seam where tests bring their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the feed asks of time."""

    def now_ns(self) -> int:
        """Give the wall clock in nanoseconds since the Unix epoch, UTC; it may step."""

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never steps; only differences mean something."""


class SystemClock:
    """The machine's own clocks."""

    now_ns = staticmethod(time.time_ns)
    monotonic_s = staticmethod(time.monotonic)
