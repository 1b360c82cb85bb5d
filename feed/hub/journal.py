"""The recent ticks of every stream, so that a session can resume where it was cut off.

A tick that somebody listened to is kept as the bytes it went out in, any other packed. Two bounds
hold: so many ticks for each stream, and so many bytes in all; at the second, the oldest tick of all
goes.
"""

from __future__ import annotations

from typing import Final

from feed.hub.path import Log
from feed.hub.stream import Stream
from feed.protocol.codec import payload_of, tick_of
from feed.ticks import Tick

TICK_BYTES: Final = 184
"""What a quote costs that somebody heard: some 155 bytes of JSON, and its place."""


class Journal:
    """Bounded memory of recent ticks.

    Args:
        ticks_per_stream: how many each stream keeps at most.
        limit_bytes: how much all of them may take.
    """

    def __init__(self, ticks_per_stream: int, limit_bytes: int) -> None:
        self._ticks_per_stream = ticks_per_stream
        self._log = Log(limit_bytes)

    def open(self, stream: Stream) -> None:
        """Give a new stream its place in the journal."""
        stream.open(self._log, self._ticks_per_stream)

    def first_seq(self, stream: Stream) -> int:
        """Give the oldest seq that is kept; the next one to come when nothing is."""
        return stream.seq - stream.held + 1

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
        """How much the ticks take that are held."""
        return self._log.held_bytes

    def _find(self, stream: Stream, first_seq: int, count: int) -> list[bytes] | None:
        start = first_seq - self.first_seq(stream)
        if first_seq > stream.seq:
            return []
        return stream.find(start, count) if start >= 0 else None
