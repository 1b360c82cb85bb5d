"""Turn a file's chunks into blocks of good ticks, and account for the bad ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from feed.errors import TapeError
from feed.symbols import SYMBOL_GRAMMAR, symbol_ok
from feed.tape.block import Part, TickBlock, Times
from feed.tape.checks import Findings, Skipped, check_values, shown
from feed.tape.columns import Chunk, Column, Indexes, Mask, Texts, Words, texts_of, words_of
from feed.tape.intervals import infer_interval
from feed.tape.layout import KIND_OF, Layout
from feed.tape.options import TapeOptions
from feed.tape.times import TimeReader
from feed.ticks import Bar

BLOCK_ROWS: Final = 1 << 16

_LONG_AGO: Final = -(2**63)


class TapeFile(Protocol):
    """What the two formats have in common."""

    path: Any
    columns: tuple[str, ...]
    rows: int | None

    def first_cell(self, column: str) -> str | None: ...
    def chunks(self, layout: Layout, rows: int) -> Iterator[Chunk]: ...
    def distinct(self, column: str) -> tuple[frozenset[str], int] | None: ...
    def is_small(self) -> bool: ...


class SymbolTable:
    """The distinct symbols of a whole tape, so that blocks of its files share their codes."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._names = np.empty(0, dtype=object)

    @property
    def names(self) -> NDArray[np.object_]:
        """Give every symbol so far by its code; later ones do not change what was given."""
        if len(self._names) < len(self._codes):
            self._names = np.empty(len(self._codes), dtype=object)
            self._names[:] = list(self._codes)
        return self._names

    def code(self, name: str) -> int:
        """Give the symbol's code, or -1 when it is no symbol."""
        code = self._codes.get(name)
        if code is None:
            if not symbol_ok(name):
                return -1
            code = self._codes[name] = len(self._codes)
        return code

    def codes(self, words: Words, findings: Findings) -> Indexes:
        """Give the code of each cell; what is no symbol is a finding."""
        known = [*(self.code(name) for name in words.names), -1]
        codes: Indexes = np.array(known, np.int32)[words.codes]
        findings.add(codes < 0, lambda row: _bad_symbol(words.cell(row)))
        return codes


class RowReader:
    """Reads one file from its start to its end."""

    def __init__(
        self, file: TapeFile, layout: Layout, options: TapeOptions, symbols: SymbolTable
    ) -> None:
        self._file = file
        self._layout = layout
        self._options = options
        self._symbols = symbols
        canonical = layout.time == ("ts_event",)
        self._times = TimeReader(options, canonical=canonical)
        self._newest = _LONG_AGO
        self._interval: str | None = None

    def blocks(self, rows: int, skipped: Skipped) -> Iterator[TickBlock]:
        """Read blocks of at most so many rows; bars of a small file come as one block, sorted."""
        if self._layout.kind is Bar and self._file.is_small():
            rows = 1 << 30
        for chunk in self._file.chunks(self._layout, rows):
            block = self._block(chunk, skipped)
            if len(block):
                yield block

    def _block(self, chunk: Chunk, skipped: Skipped) -> TickBlock:
        findings = Findings(chunk.rows)
        findings.add(chunk.ragged, lambda row: "has more cells than the header has names")
        times = self._read_times(chunk, findings)
        codes = self._read_symbols(chunk, findings)
        parts = self._read_parts(chunk, codes, findings)
        grouped = self._layout.kind is Bar and _is_grouped(times, codes, findings.bad)
        if not grouped:
            self._check_forward(times, findings)
        findings.settle(self._file.path, chunk.first_row, self._options.bad_rows, skipped)
        block = findings.good_of(TickBlock(times, parts))
        if len(block) and self._layout.kind is Bar:
            block = self._with_interval(_sorted(block) if grouped else block)
        return block

    def _read_times(self, chunk: Chunk, findings: Findings) -> Times:
        column = _joined([chunk.columns[name] for name in self._layout.time])
        times, bad = self._times.read(column)
        findings.add(bad, lambda row: _bad_time(column.cell(row), self._options))
        return times

    def _read_symbols(self, chunk: Chunk, findings: Findings) -> Indexes:
        if self._layout.symbol is None:
            assert self._options.symbol is not None
            return np.full(chunk.rows, self._symbols.code(self._options.symbol), np.int32)
        return self._symbols.codes(words_of(chunk.columns[self._layout.symbol]), findings)

    def _read_parts(self, chunk: Chunk, codes: Indexes, findings: Findings) -> tuple[Part, ...]:
        if self._layout.kind is not None:
            values, faults = check_values(self._layout.kind, chunk, self._layout)
            for mask, describe in faults:
                findings.add(mask, describe)
            return (Part(self._layout.kind, None, self._symbols.names, codes, values),)
        assert self._layout.type is not None
        types = words_of(chunk.columns[self._layout.type])
        known = {word: place for place, word in enumerate(KIND_OF)}
        kinds = np.array([*(known.get(name, -1) for name in types.names), -1])[types.codes]
        findings.add(
            kinds < 0,
            lambda row: f"type must be {', '.join(KIND_OF)}, was {shown(types.cell(row))}",
        )
        return tuple(
            self._read_part(kind, np.flatnonzero(kinds == place), chunk, codes, findings)
            for place, kind in enumerate(KIND_OF.values())
            if (kinds == place).any()
        )

    def _read_part(
        self, kind: type, rows: Indexes, chunk: Chunk, codes: Indexes, findings: Findings
    ) -> Part:
        values, faults = check_values(kind, chunk.take(rows), self._layout)
        for mask, describe in faults:
            findings.add_some(rows, mask, describe)
        return Part(kind, rows.astype(np.int64), self._symbols.names, codes[rows], values)

    def _check_forward(self, times: Times, findings: Findings) -> None:
        """Mark rows older than a good row before them."""
        if not len(times):
            return
        steady = np.where(findings.bad, _LONG_AGO, times)
        newest = np.maximum.accumulate(np.append(np.int64(self._newest), steady))
        findings.add(
            (times < newest[:-1]) & ~findings.bad,
            lambda row: f"time goes backwards, from {_utc(newest[row])} to {_utc(times[row])}",
        )
        self._newest = int(newest[-1])

    def _with_interval(self, block: TickBlock) -> TickBlock:
        (part,) = block.parts
        if "interval" in part.columns:
            return block
        if self._interval is None:
            dates = self._times.dates
            self._interval = infer_interval(block.ts_event, part.codes, dates=dates)
        if self._interval is None:
            raise TapeError(
                self._file.path, "cannot tell the bars' interval; add a column interval, such as 1m"
            )
        interval = np.full(len(block), self._interval, dtype=object)
        part = replace(part, columns={**part.columns, "interval": interval})
        return TickBlock(block.ts_event, (part,))


def _joined(columns: list[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    days, times = (texts_of(column).values for column in columns)
    whole = np.empty(len(days), dtype=object)
    whole[:] = [f"{day} {time}" for day, time in zip(days, times, strict=True)]
    return Texts(whole)


def _bad_time(cell: object, options: TapeOptions) -> str:
    if cell is None:
        return "time is missing"
    if options.time_format:
        return f"time {shown(cell)} does not fit --time-format {options.time_format}"
    zone = "" if options.time_zone == "UTC" else f", or is no time in {options.time_zone}"
    return (
        f"time {shown(cell)} is not understood{zone};"
        " describe it with --time-format, such as '%d.%m.%Y %H:%M:%S.%f', or s, ms, us, ns"
    )


def _bad_symbol(cell: object) -> str:
    if cell is None:
        return "symbol is missing"
    return f"symbol must be {SYMBOL_GRAMMAR}, was {shown(cell)}"


def _utc(ns: np.int64) -> str:
    return f"{ns.astype('M8[ns]')}Z"


def _is_grouped(times: Times, codes: Indexes, bad: Mask) -> bool:
    """Tell whether good rows are one symbol after the other, each ascending: vendors' bar files."""
    times, codes = times[~bad], codes[~bad]
    changes = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    back = np.flatnonzero(times[1:] < times[:-1]) + 1
    grouped = len(changes) + 1 == len(np.unique(codes)) and bool(np.isin(back, changes).all())
    return grouped and len(back) > 0


def _sorted(block: TickBlock) -> TickBlock:
    return block.select(np.argsort(block.ts_event, kind="stable"))
