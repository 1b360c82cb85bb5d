"""Rows of a block on the path of a tick: numbered, counted, encoded, kept and owed as columns.

This is what a source's ticks go through where nobody needs them as objects; `feed.hub.path` is the
same for ticks. It is here in Python, to be read, and in `_rows.c`, which is used where it could be
compiled.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from feed.hub import path
from feed.hub.bars import BarBuilder
from feed.hub.cohort import Cohort
from feed.hub.index import Index
from feed.hub.last_values import LastValues
from feed.protocol.codec import encode, encode_ticks, pack_tick
from feed.tape.block import VALUE_COLUMNS, Part, TickBlock
from feed.tape.slices import instants
from feed.ticks import Quote, Trade

_CHANNELS: Final[dict[type, int]] = {Quote: 0, Trade: 1}
_MOST_VALUES: Final = 4


class Rows(Protocol):
    """The rows of one block."""

    def pass_on(self, start: int, stop: int, ts_out: int) -> tuple[list[Cohort], int]:
        """Number rows start..stop, count them in bars and statistics, keep them and owe them.

        No bar may close among them (`BarBuilder.holds`), and none may be before one passed on.

        Returns:
            The cohorts that were owed nothing before, and how many of the rows somebody hears.
        """

    def holds(self, start: int, stop: int) -> bool:
        """Tell whether rows start..stop close no bar; whoever asks passes them on."""


class RowsInPython:
    """How it works, tick by tick.

    Args:
        bars: counts them too; None when the source brings bars of its own.
    """

    def __init__(
        self, block: TickBlock, index: Index, last_values: LastValues, bars: BarBuilder | None
    ) -> None:
        self._block = block
        self._times = instants(block.ts_event)
        self._index = index
        self._last_values = last_values
        self._bars = bars

    def pass_on(self, start: int, stop: int, ts_out: int) -> tuple[list[Cohort], int]:
        ticks = self._block.ticks(start, stop)
        if self._bars is not None:
            self._bars.count(ticks)
        streams = path.stamp(ticks, self._index.by_kind, self._index.stream_of, ts_out)
        wanted, heard, events = path.keep(ticks, streams, pack_tick)
        self._last_values.count_all(events)
        return path.fan_out(encode_ticks(wanted), heard), len(wanted)

    def holds(self, start: int, stop: int) -> bool:
        times, bars = self._times, self._bars
        return bars is None or bars.holds(times[start], times[stop - 1])


def rows_of(
    block: TickBlock,
    index: Index,
    last_values: LastValues,
    bars: BarBuilder | None,
    *,
    before: Rows | None = None,
) -> Rows | None:
    """Make the rows of a block; None when it holds more than numbers of quotes and trades.

    Args:
        before: those of the block before of the same source. What they know of each symbol need not
            be found again where this block has the same array of symbols, not just an equal one.
    """
    parts = [part.plain() if part.kind in _CHANNELS else None for part in block.parts]
    if any(part is None for part in parts):
        return None
    if not path.IN_C:
        return RowsInPython(block, index, last_values, bars)
    rows: Rows = path.Rows(
        block.ts_event.copy(),
        tuple(_columns(part, index) for part in parts if part is not None),
        index.begin,
        encode,
        bars,
        None if bars is None else bars.traded,
        last_values,
        last_values.statistics,
        before,
    )
    return rows


def _columns(part: Part, index: Index) -> tuple[Any, ...]:
    """Give a part as `_rows.c` reads it: channel, rows, codes, symbols, streams and values."""
    values = [part.columns.get(name) for name in VALUE_COLUMNS[part.kind]]
    return (
        _CHANNELS[part.kind],
        part.rows,
        part.codes,
        part.symbols,
        index.by_kind[part.kind],
        *values,
        *[None] * (_MOST_VALUES - len(values)),
    )
