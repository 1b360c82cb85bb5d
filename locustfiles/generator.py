"""How busy this process is: whether the load generator was the bottleneck, and not the server."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Final

from locustfiles.histogram import Histogram
from locustfiles.tally import Load

BUSY_SHARE: Final = 0.9
"""Of a core; above it, what is late may be late because of us."""

LAG_LIMIT_MS: Final = 25.0
RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
WAITED_SHARE: Final = 0.1
BUSY_SECONDS_SHARE: Final = 0.1


class Watch:
    """Watches the process it is made in.

    Attributes:
        wall_s: when it last looked, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.wall_s = time.monotonic()
        self._lag = Histogram()
        self._cpu_s = time.process_time()
        self._waited_s = _waited_s()

    def late(self, lag_s: float) -> None:
        """Take note of how late a timer was."""
        self._lag.add(int(lag_s * 1e9))

    def take(self) -> Load:
        """Give what the process took since the last call; call it about once a second."""
        wall_s, cpu_s, waited_s = time.monotonic(), time.process_time(), _waited_s()
        passed_s, used_s = wall_s - self.wall_s, cpu_s - self._cpu_s
        busy_s = passed_s if used_s > BUSY_SHARE * passed_s else 0.0
        load = Load(passed_s, used_s, waited_s - self._waited_s, busy_s, self._lag)
        load.most_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
        self.wall_s, self._cpu_s, self._waited_s = wall_s, cpu_s, waited_s
        self._lag = Histogram()
        return load


def complaints(name: str, load: Load) -> list[str]:
    """Say why what this load generator measured may be its own doing; nothing when it is not."""
    found = []
    wall_s = load.wall_s or 1.0
    lag_ms = load.lag.percentile_ms(0.99)
    if load.busy_s > BUSY_SECONDS_SHARE * wall_s:
        found.append(f"over {BUSY_SHARE:.0%} of a core for {load.busy_s:.0f} of {wall_s:.0f} s")
    if lag_ms > LAG_LIMIT_MS:
        found.append(f"its loop was late by {lag_ms:,.0f} ms (p99)")
    if load.waited_s > WAITED_SHARE * wall_s:
        found.append(f"it waited for a core for {load.waited_s / wall_s:.0%} of the time")
    return [f"{name}: {text}" for text in found]


def _waited_s() -> float:
    """Give how long this process was ready and had no core; 0 where the kernel does not tell."""
    try:
        fields = Path(f"/proc/{os.getpid()}/schedstat").read_text(encoding="utf-8").split()
    except OSError:
        return 0.0
    return int(fields[1]) / 1e9
