from __future__ import annotations

import time

from feed.clock import Clock, SystemClock


def test_the_system_clock_tells_wall_time_in_nanoseconds() -> None:
    before = time.time_ns()
    assert before <= SystemClock().now_ns() <= time.time_ns()


def test_the_system_clock_tells_seconds_that_never_step() -> None:
    clock: Clock = SystemClock()
    before = time.monotonic()
    assert before <= clock.monotonic_s() <= time.monotonic()
