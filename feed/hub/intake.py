"""One source's way into the feed: its bars are made, and its rows stay columns where they can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from feed.hub.bars import BarBuilder
from feed.hub.direct import Direct, Ends
from feed.hub.hub import Hub
from feed.hub.rows import Rows, rows_of
from feed.hub.tickerplant import Tickerplant
from feed.tape.slices import Slice, Slices

PIECE_TICKS: Final = 2_000
"""So many are taken before those that are owed much are sent it. Their 310 KB fit what one client's
socket and the lower half of its outbox take; twice as much at once was measured to make a client of
everything skip 60 % of it."""


class Admission(Protocol):
    """Who may be sent anything."""

    @property
    def ends(self) -> Ends:
        """Tell when that changes."""

    def expire(self, now_ns: int) -> None:
        """End whoever may not any more."""


class Intake:
    """Publishes slices of blocks.

    Args:
        tickerplant: takes what must be ticks.
        hub: takes what may stay rows.
        now_ns: the clock that stamps rows.
        admission: is told the time before anything is published.
        as_rows: whether that may be; somebody may want all as ticks.
        brings_bars: whether the source has bars among its ticks.

    Attributes:
        send: publishes a slice, sends all that is owed by then, and tells whether somebody is
            behind.
    """

    def __init__(
        self,
        tickerplant: Tickerplant,
        hub: Hub,
        now_ns: Callable[[], int],
        admission: Admission,
        *,
        as_rows: bool,
        brings_bars: bool,
    ) -> None:
        self._tickerplant = tickerplant
        self._hub = hub
        self._now_ns = now_ns
        self._admission = admission
        self._as_rows = as_rows
        self._bars = None if brings_bars else BarBuilder()
        self._slices: Slices | None = None
        self._rows: Rows | None = None
        self._direct = Direct(PIECE_TICKS, hub, now_ns, admission.ends, self._send)
        self.send = self._direct.send

    def restart(self) -> None:
        """Begin anew, as the source goes on from elsewhere: bars that are open belong there."""
        self._bars = self._bars and BarBuilder()
        self._slices = None
        self._direct.open(None, None)

    def _send(self, part: Slice) -> bool:
        """Send what cannot go the direct way."""
        if part.of is not self._slices:
            self._open(part.of)
            return self.send(part)
        hub = self._hub
        hub.held = True
        try:
            self.publish(part)
        finally:
            hub.flush()
        return hub.strained

    def publish(self, part: Slice) -> None:
        """Publish a slice, in order, with the bars that its ticks close."""
        if part.of is not self._slices:
            self._open(part.of)
        if part.stop - part.start > PIECE_TICKS:
            self._publish_pieces(part)
        elif (rows := self._rows) and rows.holds(part.start, part.stop):
            ts_out = self._now_ns()
            self._admission.expire(ts_out)
            self._hub.receive_rows(rows, part.start, part.stop, ts_out)
        else:
            ticks = part.ticks()
            self._tickerplant.publish(ticks if self._bars is None else self._bars.extend(ticks))

    def _publish_pieces(self, part: Slice) -> None:
        first, *others = part.cut(PIECE_TICKS)
        self.publish(first)
        for piece in others:
            self._hub.relieve()
            self.publish(piece)

    def _open(self, slices: Slices) -> None:
        self._slices = slices
        if self._as_rows:
            hub = self._hub
            self._rows = rows_of(
                slices.block, hub.index, hub.last_values, self._bars, before=self._rows
            )
            self._direct.open(slices, self._rows)
