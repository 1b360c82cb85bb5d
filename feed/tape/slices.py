"""Stretches of a block, as a source publishes them: columns still, and ticks for whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from feed.tape.block import TickBlock, Times
from feed.ticks import Tick

AHEAD_TICKS: Final = 512
"""How many ticks are built at a time when few are asked for; it takes less than 0.2 ms."""


def instants(times: Times) -> memoryview[int]:
    """Give times to be looked up one by one, as ints: several times as fast as in the array."""
    return memoryview(times)  # type: ignore[arg-type]


class Slice(Struct, gc=False):
    """Rows start..stop of a block, not empty.

    Attributes:
        of: what it was cut from, with the block.
    """

    of: Slices
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[Tick]:
        return iter(self.ticks())

    def cut(self, size: int) -> list[Slice]:
        """Cut it into slices of so many rows at most."""
        starts = range(self.start, self.stop, size)
        return [Slice(self.of, at, min(at + size, self.stop)) for at in starts]

    def ticks(self) -> list[Tick]:
        """Build the ticks, unstamped, in order; they are the caller's, so ask once."""
        return self.of.build(self.start, self.stop)


class Slices:
    """What the slices of one block are of, with the ticks that were built for some of them.

    Attributes:
        block: what is cut.
        ts_event: its event times.
    """

    def __init__(self, block: TickBlock) -> None:
        self.block = block
        self.ts_event = instants(block.ts_event)
        self._built: list[Tick] = []
        self._first = 0

    def build(self, start: int, stop: int) -> list[Tick]:
        """Build ticks some way ahead: row by row that takes fifty times as long."""
        first, built = self._first, self._first + len(self._built)
        if not first <= start < built or stop > built:
            ready = self._built[start - first :] if first <= start < built else []
            until = min(max(stop, start + AHEAD_TICKS), len(self.block))
            self._built = ready + self.block.ticks(start + len(ready), until)
            self._first = first = start
        return self._built[start - first : stop - first]
