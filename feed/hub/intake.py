"""One source's way into the feed: its bars are made, and its rows stay columns where they can."""

from __future__ import annotations

from typing import Final, Protocol

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


class Way(Protocol):
    """What becomes of what an intake takes in."""

    def take_rows(self, rows: Rows, start: int, stop: int) -> None:
        """Stamp rows start..stop of a block, and owe them to their subscribers."""

    def send_rows(self, rows: Rows, start: int, stop: int) -> None:
        """Stamp such rows and send them; nothing is owed to anybody."""

    def flush(self) -> None:
        """Send what is owed."""


class Intake:
    """Publishes slices of blocks.

    Args:
        tickerplant: takes what must be ticks.
        hub: whose they become.
        way: takes what may stay rows.
        as_rows: whether that may be; somebody may want all as ticks.
        brings_bars: whether the source has bars among its ticks.
    """

    def __init__(
        self,
        tickerplant: Tickerplant,
        hub: Hub,
        way: Way,
        *,
        as_rows: bool,
        brings_bars: bool,
    ) -> None:
        self._tickerplant = tickerplant
        self._hub = hub
        self._way = way
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
        small = part.stop - part.start <= PIECE_TICKS
        if small and not self._hub.owed and (rows := self._rows_of(part)):
            self._way.send_rows(rows, part.start, part.stop)
            return self._hub.strained
        self._hub.held = True
        try:
            self.publish(part)
        finally:
            self._way.flush()
        return self._hub.strained

    def publish(self, part: Slice) -> None:
        """Publish a slice, in order, with the bars that its ticks close."""
        if part.stop - part.start > PIECE_TICKS:
            self._publish_pieces(part)
        elif rows := self._rows_of(part):
            self._way.take_rows(rows, part.start, part.stop)
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
