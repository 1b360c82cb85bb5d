"""Ticks as columns: what tapes are read into and what the simulator produces.

A block holds up to some ten thousand ticks in publishing order. Columns cost a fifth of the
memory of tick objects, and a replay that is paced turns only the rows that are due into ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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

    def plain(self) -> Part | None:
        """Give it with contiguous columns, codes of int32 and values of int64 or float64.

        None when a column holds anything but such numbers.
        """
        if any(values.dtype not in (np.float64, np.int64) for values in self.columns.values()):
            return None
        return Part(
            self.kind,
            None if self.rows is None else np.ascontiguousarray(self.rows),
            self.symbols,
            np.ascontiguousarray(self.codes, np.int32),
            {name: np.ascontiguousarray(values) for name, values in self.columns.items()},
        )


@dataclass(frozen=True, slots=True)
class TickBlock:
    """Columns of ticks in publishing order.

    Attributes:
        ts_event: nanoseconds, ascending where no `due` says otherwise.
        parts: one for each kind of tick in the block; together they cover every row once.
        due: when each is to be published, ascending; None means at its `ts_event`.
    """

    ts_event: Times
    parts: tuple[Part, ...]
    due: Times | None = None

    def __len__(self) -> int:
        return len(self.ts_event)

    @property
    def times(self) -> Times:
        """When each tick is to be published, ascending."""
        return self.ts_event if self.due is None else self.due

    def ticks(self, start: int, stop: int) -> list[Tick]:
        """Build the ticks of rows start..stop, unstamped, in order."""
        first = self.parts[0]
        if first.rows is None:
            return list(_build(first, self.ts_event, start, stop))
        ticks = np.empty(stop - start, dtype=object)
        for part in self.parts:
            assert part.rows is not None
            low, high = (int(place) for place in part.rows.searchsorted((start, stop)))
            places = part.rows[low:high]
            built = _build(part, self.ts_event[places], low, high, times_cut=True)
            ticks[places - start] = np.fromiter(built, object, high - low)
        return ticks.tolist()

    def select(self, rows: NDArray[np.integer[Any]]) -> TickBlock:
        """Give the ticks of these rows, in this order."""
        places = np.full(len(self), -1, np.int64)
        places[rows] = np.arange(len(rows))
        due = None if self.due is None else self.due[rows]
        parts = tuple(_select(p, rows, places) for p in self.parts)
        return TickBlock(self.ts_event[rows], parts, due)

    def slice(self, start: int, stop: int) -> TickBlock:
        """Give rows start..stop as a block that shares this one's memory."""
        due = None if self.due is None else self.due[start:stop]
        parts = tuple(_slice(p, start, stop) for p in self.parts)
        return TickBlock(self.ts_event[start:stop], parts, due)

    def cut(self, start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
        """Give the row range that is due from start_ns to before end_ns; None is unbounded."""
        low = 0 if start_ns is None else int(np.searchsorted(self.times, start_ns, "left"))
        high = len(self) if end_ns is None else int(np.searchsorted(self.times, end_ns, "left"))
        return low, max(low, high)


def _slice(part: Part, start: int, stop: int) -> Part:
    if part.rows is None:
        low, high, rows = start, stop, None
    else:
        low, high = (int(place) for place in np.searchsorted(part.rows, (start, stop)))
        rows = part.rows[low:high] - start
    columns = {name: values[low:high] for name, values in part.columns.items()}
    return Part(part.kind, rows, part.symbols, part.codes[low:high], columns)


def _select(part: Part, rows: NDArray[np.integer[Any]], places: NDArray[np.int64]) -> Part:
    """Pick a part's share of the selected rows; `places` is where each old row went, or -1."""
    if part.rows is None:
        picked, new_rows = rows, None
    else:
        moved = places[part.rows]
        order = np.argsort(moved, kind="stable")
        picked = order[np.searchsorted(moved[order], 0) :]
        new_rows = moved[picked]
    columns = {name: values[picked] for name, values in part.columns.items()}
    return Part(part.kind, new_rows, part.symbols, part.codes[picked], columns)


def _build(
    part: Part, times: Times, start: int, stop: int, *, times_cut: bool = False
) -> Iterable[Tick]:
    symbols = part.symbols[part.codes[start:stop]].tolist()
    ts_event = (times if times_cut else times[start:stop]).tolist()
    values = [_column(part, name, start, stop) for name in VALUE_COLUMNS[part.kind]]
    zero = repeat(0)
    if part.kind is Bar:
        interval, *rest = values
        basis = [_column(part, "basis", start, stop)] if "basis" in part.columns else []
        return map(Bar, symbols, zero, interval, ts_event, *rest, zero, *basis)
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


def concatenate(blocks: Sequence[TickBlock]) -> TickBlock:
    """Join blocks into one in order of time; ties in order of block, then of row.

    Their codes must mean the same symbols; the longest `symbols` is taken to hold them all.
    """
    if len(blocks) == 1:
        return blocks[0]
    times = np.concatenate([block.ts_event for block in blocks])
    starts = np.cumsum([0, *(len(block) for block in blocks)])
    shares: dict[type, list[tuple[Part, NDArray[np.int64]]]] = {}
    for block, start in zip(blocks, starts.tolist(), strict=False):
        for part in block.parts:
            rows = np.arange(len(block)) if part.rows is None else part.rows
            shares.setdefault(part.kind, []).append((part, rows + start))
    parts = tuple(_join(kind, share) for kind, share in shares.items())
    if len(parts) == 1:
        parts = (replace(parts[0], rows=None),)
    return TickBlock(times, parts).select(np.argsort(times, kind="stable"))


def _join(kind: type, share: Sequence[tuple[Part, NDArray[np.int64]]]) -> Part:
    parts = [part for part, _ in share]
    names = dict.fromkeys(name for part in parts for name in part.columns)
    return Part(
        kind,
        np.concatenate([rows for _, rows in share]),
        max((part.symbols for part in parts), key=len),
        np.concatenate([part.codes for part in parts]),
        {name: np.concatenate([_present(part, name) for part in parts]) for name in names},
    )


def _present(part: Part, name: str) -> NDArray[Any]:
    values = part.columns.get(name)
    return np.full(len(part.codes), None, dtype=object) if values is None else values
