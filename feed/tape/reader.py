"""Open tapes: one file, several, or folders of them, read as one sequence of ticks."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path

from feed.errors import TapeError
from feed.symbols import symbol_ok
from feed.tape.block import TickBlock
from feed.tape.checks import Skipped
from feed.tape.csvfile import CsvTape
from feed.tape.files import find_tapes, is_parquet
from feed.tape.layout import KIND_OF, Layout, recognise, recognise_mixed
from feed.tape.merge import Lane, merge
from feed.tape.options import TapeOptions
from feed.tape.parquet import ParquetTape
from feed.tape.recorded import RecordedTape, find_recording
from feed.tape.rows import BLOCK_ROWS, RowReader, SymbolTable, TapeFile

_HELD_ROWS = 1 << 20
"""Rows held in all while merging, shared out among the files."""

_LEAST_ROWS = 1 << 10


def open_tape(paths: Sequence[Path], options: TapeOptions | None = None) -> AnyTape:
    """Find the tapes that the paths name and recognise what each holds.

    Folders are searched to the bottom for .csv, .csv.gz, .csv.zst, .parquet and .pq files; README
    and hidden files are left out. What a feed recorded is recognised by the names of its folders.

    Raises:
        TapeError: when there is no tape, or one that is not understood.
        MissingExtraError: when one needs packages that are not installed.
    """
    options = options or TapeOptions()
    recorded = find_recording(paths)
    if recorded:
        return RecordedTape(recorded, options)
    files = [_open_file(path) for path in find_tapes(paths)]
    _check_mapping(files, options)
    return Tape([(file, _layout(file, options)) for file in files], options)


def read_file(file: TapeFile, options: TapeOptions) -> Tape:
    """Recognise what is in one file that is open already.

    Raises:
        TapeError: it is not understood.
    """
    return Tape([(file, _layout(file, options))], options)


class Tape:
    """Recorded ticks, merged by `ts_event`; ties in order of file, then of row.

    It may be read any number of times, but only by one thread at a time.
    """

    has_bars = False
    """Whether it brings the bars that a feed would make; a recording does."""

    def __init__(self, files: Sequence[tuple[TapeFile, Layout]], options: TapeOptions) -> None:
        self._files = files
        self._options = options
        self._table = SymbolTable()
        self._skipped = Skipped()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in the order that settles ties."""
        return tuple(file.path for file, _ in self._files)

    @property
    def rows(self) -> int | None:
        """How many rows will be read, good or bad; None when that is not cheaply known."""
        if self._options.start_ns is not None or self._options.end_ns is not None:
            return None
        _ = self.symbols  # a CSV file is counted while its symbols are read
        counts = [file.rows for file, _ in self._files]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def skipped_rows(self) -> int:
        """How many bad rows the latest reading has left out so far."""
        return self._skipped.count

    @property
    def skipped_reasons(self) -> tuple[str, ...]:
        """Why, for the first few, each with file and row."""
        return tuple(self._skipped.reasons)

    @cached_property
    def symbols(self) -> frozenset[str] | None:
        """Every symbol on the tape, or None when a large CSV file would have to be read for it.

        The first use reads the symbol columns: off the event loop, please, if they are long.
        """
        found: set[str] = set()
        for file, layout in self._files:
            names = self._symbols_of(file, layout)
            if names is None:
                return None
            found |= names
        return frozenset(found)

    def _symbols_of(self, file: TapeFile, layout: Layout) -> frozenset[str] | None:
        if layout.symbol is None:
            assert self._options.symbol is not None
            return frozenset({self._options.symbol})
        distinct = file.distinct(layout.symbol)
        if distinct is None:
            return None
        names, file.rows = distinct
        return frozenset(filter(symbol_ok, names))

    def blocks(self) -> Generator[TickBlock, None, None]:
        """Read the ticks from the beginning, within start and end if they are set.

        Raises:
            TapeError: when a file cannot be read, has a bad row, or there is no tick at all.
        """
        self._skipped = Skipped()
        some = False
        for block in self._merged(self._skipped):
            some = True
            yield block
        if not some:
            raise TapeError(self.files[0], self._why_nothing())

    def _merged(self, skipped: Skipped) -> Iterator[TickBlock]:
        if len(self._files) == 1:
            yield from self._file_blocks(*self._files[0], BLOCK_ROWS, skipped)
            return
        rows = max(_LEAST_ROWS, min(BLOCK_ROWS, _HELD_ROWS // len(self._files)))
        yield from merge([self._lane(file, layout, rows, skipped) for file, layout in self._files])

    def _lane(self, file: TapeFile, layout: Layout, rows: int, skipped: Skipped) -> Lane:
        with closing(self._file_blocks(file, layout, _LEAST_ROWS, Skipped())) as peek:
            first = next(peek, None)
        return Lane(
            None if first is None else int(first.ts_event[0]),
            lambda: self._file_blocks(file, layout, rows, skipped),
        )

    def _file_blocks(
        self, file: TapeFile, layout: Layout, rows: int, skipped: Skipped
    ) -> Generator[TickBlock, None, None]:
        reader = RowReader(file, layout, self._options, self._table)
        start_ns, end_ns = self._options.start_ns, self._options.end_ns
        for block in reader.blocks(rows, skipped):
            low, high = block.cut(start_ns, end_ns)
            if low < high:
                yield block.slice(low, high)
            if high < len(block):
                return

    def _why_nothing(self) -> str:
        others = f" and {len(self._files) - 1} more files" if len(self._files) > 1 else ""
        if self._skipped.count:
            return f"no good row in it{others}: {self._skipped.reasons[0]}"
        if self._options.start_ns is not None or self._options.end_ns is not None:
            return f"no tick between --start and --end in it{others}"
        return f"no tick in it{others}"


AnyTape = Tape | RecordedTape


def _open_file(path: Path) -> TapeFile:
    return ParquetTape(path) if is_parquet(path) else CsvTape(path)


def _layout(file: TapeFile, options: TapeOptions) -> Layout:
    mixed = recognise_mixed(file.path, file.columns, options.mapping)
    if mixed is not None and mixed.type and file.first_cell(mixed.type) in KIND_OF:
        layout = mixed
    else:
        layout = recognise(file.path, file.columns, options.mapping)
    if layout.symbol is None and options.symbol is None:
        raise TapeError(
            file.path,
            "has no symbol column; say what it is of with --symbol NAME"
            " or name the column with --map symbol=COLUMN",
        )
    return layout


def _check_mapping(files: Sequence[TapeFile], options: TapeOptions) -> None:
    for name, column in options.mapping.items():
        if not any(column in file.columns for file in files):
            columns = ", ".join(files[0].columns[:20])
            raise TapeError(
                files[0].path, f"has no column {column} for --map {name}={column}; it has {columns}"
            )
