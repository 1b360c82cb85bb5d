"""What a process counts about itself: plain numbers, read by whoever publishes them.

Counting is part of the path of a tick, so it is an addition and no more, and what can be read off
the state of the feed (sessions, journal, ticks by channel) is not counted here at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)
"""Upper bounds of the buckets, from one small burst to a stall that everybody notices."""


class Histogram:
    """How often a duration fell into each bucket.

    Attributes:
        observe: counts one duration, in seconds: a list's `append`, as that is on the path of a
            tick. `settle` puts what was observed into the buckets, with each beat of the server.
    """

    __slots__ = ("_counts", "_new", "_sum_s", "observe")

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self._sum_s = 0.0
        self._new: list[float] = []
        self.observe = self._new.append

    @property
    def counts(self) -> list[int]:
        """How many there were, by bucket, the last one for what is above every bound."""
        self.settle()
        return self._counts

    @property
    def sum_s(self) -> float:
        """All that was observed."""
        self.settle()
        return self._sum_s

    def settle(self) -> None:
        """Put what is new into the buckets."""
        for seconds in self._new:
            self._counts[bisect_left(SECONDS, seconds)] += 1
            self._sum_s += seconds
        self._new.clear()


@dataclass(slots=True)
class Metrics:
    """Counters since the start.

    Attributes:
        ticks_in: ticks published into the hub.
        ticks_out: ticks handed to sessions, each delivery counted, by channel.
        bytes_out: bytes that sockets of sessions took.
        encodings: ticks that were encoded because somebody listened.
        conflated: ticks that sessions were told they skipped.
        sessions_opened: sessions that were ever opened.
        sessions_closed: by close code.
        errors_told: commands that were answered with an error.
        refusals: handshakes, requests and commands that were refused, by code.
        reload_failures: certificates and keys that could not be read anew, by which.
        requests: HTTP requests answered, by status.
        fan_out: what taking one burst takes, encoding included.
        flush: what one flush takes, the sends included.
        loop_lag: how late the event loop was, ten times a second.
        request: what answering one HTTP request takes.
    """

    ticks_in: int = 0
    ticks_out: Counter[str] = field(default_factory=Counter)
    bytes_out: int = 0
    encodings: int = 0
    conflated: int = 0
    sessions_opened: int = 0
    sessions_closed: dict[int, int] = field(default_factory=dict)
    errors_told: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    reload_failures: dict[str, int] = field(default_factory=dict)
    requests: dict[int, int] = field(default_factory=dict)
    fan_out: Histogram = field(default_factory=Histogram)
    flush: Histogram = field(default_factory=Histogram)
    loop_lag: Histogram = field(default_factory=Histogram)
    request: Histogram = field(default_factory=Histogram)

    def refuse(self, code: str) -> None:
        """Count a refusal; codes are this package's own words, never a peer's."""
        self.refusals[code] = self.refusals.get(code, 0) + 1

    def settle(self) -> None:
        """Put what was observed into the buckets, so that it takes no memory."""
        for histogram in (self.fan_out, self.flush, self.loop_lag, self.request):
            histogram.settle()
