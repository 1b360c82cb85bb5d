"""One source's way into the feed: its bars are made, and its rows stay columns where they can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from feed.hub.bars import BarBuilder
from feed.hub.hub import Hub
from feed.hub.rows import Rows, rows_of
from feed.hub.tickerplant import Tickerplant
from feed.tape.block import TickBlock
from feed.tape.slices import Slice

PIECE_TICKS: Final = 2_000
"""So many are taken before those that are owed much are sent it. Their 310 KB fit what one client's
socket and the lower half of its outbox take; twice as much at once was measured to make a client of
everything skip 60 % of it."""


class Intake:
    """Publishes slices of blocks.

    Args:
        tickerplant: takes what must be ticks.
        hub: whose they become.
        take_rows: takes rows start..stop of a block; None when somebody wants all as ticks.
        brings_bars: whether the source has bars among its ticks.
    """

    def __init__(
        self,
        tickerplant: Tickerplant,
        hub: Hub,
        take_rows: Callable[[Rows, int, int], None] | None,
        *,
        brings_bars: bool,
    ) -> None:
        self._tickerplant = tickerplant
        self._hub = hub
        self._take_rows = take_rows
        self._bars = None if brings_bars else BarBuilder()
        self._block: TickBlock | None = None
        self._rows: Rows | None = None

    def restart(self) -> None:
        """Begin anew, as the source goes on from elsewhere: bars that are open belong there."""
        self._bars = self._bars and BarBuilder()
        self._block = None

    def publish(self, part: Slice) -> None:
        """Publish a slice, in order, with the bars that its ticks close."""
        of, start, stop = part.of, part.start, part.stop
        if stop - start > PIECE_TICKS:
            self._publish_pieces(part)
            return
        if of.block is not self._block:
            self._open(of.block)
        bars, times, take = self._bars, of.ts_event, self._take_rows
        if take and self._rows and (bars is None or bars.holds(times[start], times[stop - 1])):
            take(self._rows, start, stop)
        else:
            ticks = part.ticks()
            self._tickerplant.publish(ticks if bars is None else bars.extend(ticks))

    def _publish_pieces(self, part: Slice) -> None:
        first, *others = part.cut(PIECE_TICKS)
        self.publish(first)
        for piece in others:
            self._hub.relieve()
            self.publish(piece)

    def _open(self, block: TickBlock) -> None:
        self._block = block
        if self._take_rows is not None:
            self._rows = rows_of(block, self._hub.index, self._hub.last_values, self._bars)
