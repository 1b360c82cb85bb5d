"""Merge files by time, a block at a time, holding one block of each file that is in use.

A file is in use once its first tick is no later than what is being merged, so a folder of
consecutive days needs the memory of two of them, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from feed.tape.block import TickBlock, concatenate


class Lane:
    """One file on its way into the merge.

    Attributes:
        first_ns: the time of its first tick; None when it has none.
    """

    def __init__(self, first_ns: int | None, start: Callable[[], Iterator[TickBlock]]) -> None:
        self.first_ns = first_ns
        self._start = start
        self._blocks: Iterator[TickBlock] | None = None
        self._block: TickBlock | None = None
        self._row = 0

    @property
    def in_use(self) -> bool:
        """Whether it holds a block with rows not yet taken."""
        return self._block is not None

    @property
    def last_ns(self) -> int:
        """The time of the last row it holds."""
        assert self._block is not None
        return int(self._block.ts_event[-1])

    def begin(self) -> None:
        """Open the file and hold its first block."""
        self._blocks = self._start()
        self._next_block()

    def take(self, until_ns: int, *, inclusive: bool) -> TickBlock | None:
        """Take the rows held up to a time; having taken the last, hold the next block."""
        assert self._block is not None
        side = "right" if inclusive else "left"
        stop = int(np.searchsorted(self._block.ts_event, until_ns, side))  # type: ignore[call-overload]
        if stop <= self._row:
            return None
        taken = self._block.slice(self._row, stop)
        self._row = stop
        if stop == len(self._block):
            self._next_block()
        return taken

    def _next_block(self) -> None:
        assert self._blocks is not None
        self._block = next(self._blocks, None)
        self._row = 0


def merge(lanes: Sequence[Lane]) -> Iterator[TickBlock]:
    """Give the ticks of all lanes in order of time; ties in order of lane, then of row."""
    waiting = [lane for lane in lanes if lane.first_ns is not None]
    waiting.sort(key=lambda lane: lane.first_ns or 0, reverse=True)
    while waiting or any(lane.in_use for lane in lanes):
        using = [lane for lane in lanes if lane.in_use]
        until_ns = min((lane.last_ns for lane in using), default=None)
        if waiting and (until_ns is None or (waiting[-1].first_ns or 0) <= until_ns):
            waiting.pop().begin()
            continue
        assert until_ns is not None
        yield concatenate(_take_all(using, until_ns))


def _take_all(using: Sequence[Lane], until_ns: int) -> list[TickBlock]:
    """Take what no later block can precede.

    The first lane whose rows end at `until_ns` may go on with more of that same time, which come
    before those of the lanes after it.
    """
    holder = next(place for place, lane in enumerate(using) if lane.last_ns == until_ns)
    taken = [lane.take(until_ns, inclusive=place <= holder) for place, lane in enumerate(using)]
    return [block for block in taken if block is not None]
