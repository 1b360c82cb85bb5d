"""The recent ticks of every stream, so that a session can resume where it was cut off.

A tick that somebody listened to is kept as the bytes it went out in, any other packed. So an old
tick is one object, and of a size that new ones are not made of: their memory stays in the
processor's cache. Two bounds hold: so many ticks for each stream, and so many bytes in all. When
the second is reached, the oldest eighth of one stream after another goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from feed.hub.stream import Stream
from feed.protocol.codec import payload_of, tick_of
from feed.ticks import Tick

TICK_BYTES: Final = 224
"""What a kept quote costs that somebody heard, measured as growth of RSS for a million of them."""

SHARE: Final = 8
"""The oldest 1/SHARE of a stream goes at a time."""

SPARE: Final = 64
"""Trimming makes room for 1/SPARE of the bound, so that it is not needed for every burst; more
would be felt as a stall."""


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
        self._held = 0  # or fewer, as streams at their own bound drop ticks too
        self._round: Iterator[Stream] = iter(())

    def open(self, stream: Stream) -> None:
        """Give a new stream its place in the journal."""
        stream.recent = deque(maxlen=self._ticks_per_stream)
        stream.keep = stream.recent.append

    def count(self, kept: int) -> None:
        """Take note of how many ticks their streams have kept; trims when too many are held."""
        self._held += kept
        if self._held > self._limit_ticks:
            self._trim()

    def first_seq(self, stream: Stream) -> int:
        """Give the oldest seq that is kept; the next one to come when nothing is."""
        return stream.seq - len(stream.recent) + 1

    def since(self, stream: Stream, first_seq: int, count: int) -> list[Tick] | None:
        """Give up to `count` ticks from `first_seq` on, in order; None when that one is gone."""
        found = self._find(stream, first_seq, count)
        return None if found is None else list(map(tick_of, found))

    def payloads(self, stream: Stream, first_seq: int, count: int) -> list[bytes] | None:
        """Give what `since` gives, as it is on the wire."""
        found = self._find(stream, first_seq, count)
        return None if found is None else list(map(payload_of, found))

    @property
    def held_bytes(self) -> int:
        """About how much the ticks take that are held, at most."""
        return self._count_held() * TICK_BYTES

    def _find(self, stream: Stream, first_seq: int, count: int) -> list[bytes] | None:
        start = first_seq - stream.seq - 1 + len(stream.recent)
        if first_seq > stream.seq:
            return []
        return list(islice(stream.recent, start, start + count)) if start >= 0 else None

    def _trim(self) -> None:
        enough = self._limit_ticks - self._limit_ticks // SPARE
        while self._held > enough:
            stream = next(self._round, None)
            if stream is None:
                self._held = self._count_held()
                self._round = iter(list(self._streams()))
                continue
            drop = stream.recent.popleft
            gone = (len(stream.recent) + SHARE - 1) // SHARE
            for _ in range(gone):
                drop()
            self._held -= gone

    def _count_held(self) -> int:
        return sum(len(own.recent) for own in self._streams())
