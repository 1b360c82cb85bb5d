"""Ticks as columns: what tapes are read into and what the simulator produces.

A block holds up to some ten thousand ticks in publishing order. Columns cost a fifth of the
memory of tick objects, and a replay that is paced turns only the rows that are due into ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feed.ticks import Bar, Quote, Status, Tick, Trade

Times = NDArray[np.int64]

VALUE_COLUMNS: dict[type, tuple[str, ...]] = {
    Quote: ("bid", "bid_size", "ask", "ask_size"),
    Trade: ("price", "size"),
    Bar: ("interval", "open", "high", "low", "close", "volume", "vwap", "trades"),
    Status: ("status", "reason"),
}
"""The columns of each kind beside `symbol` and `ts_event`; one that a tape lacks is None."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one kind of tick inside a block.

    Attributes:
        kind: Quote, Trade, Bar or Status.
        rows: each row's place in the block, ascending; None when the block has only this part.
        symbols: the distinct symbols, an object array of str.
        codes: each row's index into `symbols`.
        columns: name -> values, for names in `VALUE_COLUMNS[kind]`; a missing name means None.
    """

    kind: type
    rows: NDArray[np.int64] | None
    symbols: NDArray[np.object_]
    codes: NDArray[np.integer[Any]]
    columns: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TickBlock:
    """Columns of ticks in publishing order.

    Attributes:
        ts_event: nanoseconds, ascending.
        parts: one for each kind of tick in the block; together they cover every row once.
    """

    ts_event: Times
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return len(self.ts_event)

    def ticks(self, start: int, stop: int) -> list[Tick]:
        """Build the ticks of rows start..stop, unstamped, in order."""
        first = self.parts[0]
        if first.rows is None:
            return list(_build(first, self.ts_event, start, stop))
        ticks = np.empty(stop - start, dtype=object)
        for part in self.parts:
            assert part.rows is not None
            low, high = np.searchsorted(part.rows, (start, stop))
            places = part.rows[low:high]
            built = np.empty(high - low, dtype=object)
            built[:] = list(_build(part, self.ts_event[places], int(low), int(high), times_cut=True))
            ticks[places - start] = built
        return ticks.tolist()  # type: ignore[no-any-return]

    def cut(self, start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
        """Give the row range with start_ns <= ts_event < end_ns; None is unbounded."""
        low = 0 if start_ns is None else int(np.searchsorted(self.ts_event, start_ns, "left"))
        high = len(self) if end_ns is None else int(np.searchsorted(self.ts_event, end_ns, "left"))
        return low, max(low, high)


def _build(
    part: Part, times: Times, start: int, stop: int, *, times_cut: bool = False
) -> Iterable[Tick]:
    symbols = part.symbols[part.codes[start:stop]].tolist()
    ts_event = (times if times_cut else times[start:stop]).tolist()
    values = [_column(part, name, start, stop) for name in VALUE_COLUMNS[part.kind]]
    zero = repeat(0)
    if part.kind is Bar:
        interval, *rest = values
        return map(Bar, symbols, zero, interval, ts_event, *rest, zero)
    return map(part.kind, symbols, zero, ts_event, *values, zero)


def _column(part: Part, name: str, start: int, stop: int) -> Iterable[Any]:
    values = part.columns.get(name)
    return repeat(None) if values is None else values[start:stop].tolist()


def block_of(
    kind: type,
    ts_event: Times,
    symbols: Sequence[str],
    codes: NDArray[np.integer[Any]],
    columns: dict[str, NDArray[Any]],
) -> TickBlock:
    """Make a block of one kind of tick from columns that are already in order."""
    names = np.empty(len(symbols), dtype=object)
    names[:] = list(symbols)
    return TickBlock(ts_event, (Part(kind, None, names, codes, columns),))
