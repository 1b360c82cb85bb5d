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
        hub: takes what may stay rows.
        ts_out: gives the time of publishing rows.
        as_rows: whether that may be; somebody may want all as ticks.
        brings_bars: whether the source has bars among its ticks.
    """

    def __init__(
        self,
        tickerplant: Tickerplant,
        hub: Hub,
        ts_out: Callable[[], int],
        *,
        as_rows: bool,
        brings_bars: bool,
    ) -> None:
        self._tickerplant = tickerplant
        self._hub = hub
        self._ts_out = ts_out
        self._as_rows = as_rows
        self._bars = None if brings_bars else BarBuilder()
        self._block: TickBlock | None = None
        self._rows: Rows | None = None

    def restart(self) -> None:
        """Begin anew, as the source goes on from elsewhere: bars that are open belong there."""
        self._bars = self._bars and BarBuilder()
        self._block = None

    def send(self, part: Slice) -> bool:
        """Publish a slice, send all that is owed by then, and tell whether somebody is behind."""
        hub, start, stop = self._hub, part.start, part.stop
        if stop - start <= PIECE_TICKS and not hub.owed and (rows := self._rows_of(part)):
            hub.send_rows(rows, start, stop, self._ts_out())
            return hub.strained
        hub.held = True
        try:
            self.publish(part)
        finally:
            hub.flush()
        return hub.strained

    def publish(self, part: Slice) -> None:
        """Publish a slice, in order, with the bars that its ticks close."""
        if part.stop - part.start > PIECE_TICKS:
            self._publish_pieces(part)
        elif rows := self._rows_of(part):
            self._hub.receive_rows(rows, part.start, part.stop, self._ts_out())
        else:
            ticks = part.ticks()
            self._tickerplant.publish(ticks if self._bars is None else self._bars.extend(ticks))

    def _publish_pieces(self, part: Slice) -> None:
        first, *others = part.cut(PIECE_TICKS)
        self.publish(first)
        for piece in others:
            self._hub.relieve()
            self.publish(piece)

    def _rows_of(self, part: Slice) -> Rows | None:
        """Give the rows of a slice's block, if its ticks may stay rows: they close no bar."""
        of, bars = part.of, self._bars
        if of.block is not self._block:
            self._open(of.block)
        rows, times = self._rows, of.ts_event
        if rows is None or bars is None or bars.holds(times[part.start], times[part.stop - 1]):
            return rows
        return None

    def _open(self, block: TickBlock) -> None:
        self._block = block
        if self._as_rows:
            hub = self._hub
            self._rows = rows_of(block, hub.index, hub.last_values, self._bars, before=self._rows)
