"""What a connection counts about itself: a few integers, and a bounded sample of latencies."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

SAMPLES: Final = 1024
"""Latencies kept."""


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds between `ts_out` and arrival; honest only as far as both clocks agree."""

    p50_ms: float
    p90_ms: float
    p99_ms: float


class Latencies:
    """The newest latencies; each new one takes the place of the oldest."""

    __slots__ = ("_samples_ns",)

    def __init__(self) -> None:
        self._samples_ns: deque[int] = deque(maxlen=SAMPLES)

    def add(self, latency_ns: int) -> None:
        """Keep one latency."""
        self._samples_ns.append(latency_ns)

    def percentiles(self) -> Latency | None:
        """Give the percentiles of what is kept, or None when there is nothing."""
        ordered = sorted(self._samples_ns)
        if not ordered:
            return None
        return Latency(*(_rank(ordered, share) / 1e6 for share in (0.5, 0.9, 0.99)))


class Stats:
    """Counts since the first connection.

    Attributes:
        ticks: received.
        gaps: how often ticks were lost; `lost` says how many were.
        skipped: ticks the server said it deliberately did not send.
        resumed: ticks that resumes brought back in full, as the server told.
        disorders: ticks that came twice or late.
        reconnects: connections made after the first.
        stale: connections given up because nothing came over them.
        latencies: `ts_out` to arrival of the last tick of each read. With `latest` delivery it
            holds the interval too.
    """

    __slots__ = (
        "disorders",
        "gaps",
        "latencies",
        "lost",
        "reconnects",
        "resumed",
        "skipped",
        "stale",
        "ticks",
    )

    def __init__(self) -> None:
        self.ticks = 0
        self.gaps = 0
        self.lost = 0
        self.skipped = 0
        self.resumed = 0
        self.disorders = 0
        self.reconnects = 0
        self.stale = 0
        self.latencies = Latencies()

    def __repr__(self) -> str:
        counts = (f"{name}={getattr(self, name)}" for name in self.__slots__ if name != "latencies")
        return f"Stats({', '.join(counts)}, latency={self.latency})"

    @property
    def latency(self) -> Latency | None:
        """Percentiles of the recent latencies, or None before the first tick."""
        return self.latencies.percentiles()


def _rank(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
