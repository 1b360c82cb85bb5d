"""The recent ticks of every stream, so that a session can resume where it was cut off.

Ticks are kept as they are, and encoded again when somebody resumes: the same tick always gives the
same bytes. Two bounds hold: so many ticks for each stream, and so many bytes in all. When the
second is reached, the oldest ticks go first, whichever stream they belong to.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from operator import attrgetter
from typing import Final

from feed.hub.stream import Stream
from feed.ticks import Tick

TICK_BYTES: Final = 320
"""What a kept tick costs, measured as growth of RSS for a million distinct quotes."""

SPARE: Final = 8
"""Trimming makes room for a part of 1/SPARE, so that it is not needed for every burst."""

MARKS: Final = 256
"""How many moments are remembered, to know what was published when."""


_published = attrgetter("ts_out")


class Journal:
    """Bounded memory of recent ticks.

    Args:
        ticks_per_stream: how many each stream keeps at most.
        limit_bytes: how much all of them may take.
        streams: gives every stream there is.
    """

    def __init__(
        self,
        ticks_per_stream: int,
        limit_bytes: int,
        streams: Callable[[], Iterable[Stream]],
    ) -> None:
        self._ticks_per_stream = ticks_per_stream
        self._limit_ticks = max(limit_bytes // TICK_BYTES, 1)
        self._streams = streams
        self._held = 0
        self._marks: deque[tuple[int, int]] = deque()
        self._kept = 0

    def open(self, stream: Stream) -> None:
        """Give a new stream its place in the journal."""
        stream.recent = deque(maxlen=self._ticks_per_stream)
        stream.keep = stream.recent.append

    def count(self, ticks: list[Tick]) -> None:
        """Take note of a burst that was appended to its streams; trims when too much is held."""
        self._kept += len(ticks)
        self._held += len(ticks)
        if not self._marks or self._kept - self._marks[-1][0] > self._limit_ticks // MARKS:
            self._marks.append((self._kept, ticks[-1].ts_out))
        if self._held > self._limit_ticks:
            self._trim()

    def since(self, stream: Stream, first_seq: int, count: int) -> list[Tick] | None:
        """Give up to `count` ticks from `first_seq` on, in order; None when that one is gone."""
        recent = stream.recent
        if first_seq > stream.seq:
            return []
        if not recent or first_seq < recent[0].seq:
            return None
        start = first_seq - recent[0].seq
        return list(islice(recent, start, start + count))

    @property
    def held_bytes(self) -> int:
        """About how much the ticks take that are held."""
        return self._count_held() * TICK_BYTES

    def _trim(self) -> None:
        """Drop the oldest ticks of all streams, by the time they were published."""
        until = self._moment_to_keep_from()
        self._held = self._count_held()
        if self._held <= self._limit_ticks:
            return
        for stream in self._streams():
            recent = stream.recent
            drop = recent.popleft
            for _ in range(bisect_right(recent, until, key=_published)):
                drop()
        self._held = self._count_held()
        if self._held > self._limit_ticks:  # the wall clock stepped back: times tell nothing
            self._halve()

    def _moment_to_keep_from(self) -> int:
        """Give a `ts_out` after which fewer ticks than the limit were published."""
        newest = self._kept - self._limit_ticks + self._limit_ticks // SPARE
        until = 0
        while self._marks and self._marks[0][0] <= newest:
            until = self._marks.popleft()[1]
        return until

    def _halve(self) -> None:
        for stream in self._streams():
            for _ in range((len(stream.recent) + 1) // 2):
                stream.recent.popleft()
        self._held = self._count_held()

    def _count_held(self) -> int:
        return sum(len(own.recent) for own in self._streams())
