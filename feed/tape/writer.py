"""Write blocks of ticks as a tape: CSV, packed CSV or Parquet, by the ending of its name.

Kinds are mixed in one file, in publishing order. The column `type` tells them apart, a column
that means nothing to a row's kind is empty there, and `ts_event` is whole nanoseconds.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from feed.errors import MissingExtraError, TapeError
from feed.tape.block import VALUE_COLUMNS, Part, TickBlock
from feed.tape.files import CSV, PARQUET, is_parquet
from feed.tape.layout import KIND_OF
from feed.ticks import Quote, Trade

ROW_GROUP_TICKS: Final = 131_072
"""Rows of Parquet that are packed together: what writing and reading hold in memory at a time."""

_WORDS: Final = frozenset({"type", "symbol", "interval", "status", "reason", "source"})
"""Columns of text with few distinct values."""

_TYPE_OF: Final = {kind: word for word, kind in KIND_OF.items()}


class _Format(Protocol):
    def write(self, block: TickBlock) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


class TapeWriter:
    """Writes one tape; use it in a `with` statement.

    The tape has its name only once it is whole: until then, and when the `with` block fails, there
    is at most a hidden file beside it, and a tape that had the name before is left as it was.

    Args:
        path: ends in .csv, .csv.gz, .csv.zst, .parquet or .pq.
        kinds: what the blocks may hold; decides the columns.
        source: what the column `source` says of every tick; None leaves the column out.

    Attributes:
        ticks: written so far.

    Raises:
        TapeError: when the file cannot be written, at any time.
        MissingExtraError: when its format needs packages that are not installed.
    """

    def __init__(
        self, path: Path, *, kinds: Sequence[type] = (Quote, Trade), source: str | None = None
    ) -> None:
        if not path.name.lower().endswith(CSV + PARQUET):
            raise TapeError(path, f"is no name for a tape: must end in {', '.join(CSV + PARQUET)}")
        if path.is_dir():  # else found out only when the tape is whole
            raise TapeError(path, "cannot be written: it is a folder")
        self.ticks = 0
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._kinds = kinds
        self._source = source

    def __enter__(self) -> Self:
        with self._writing():
            self._file = self._part.open("wb")
        try:
            with self._writing():
                self._format = self._open_format()
        except BaseException:
            self._discard()
            raise
        return self

    def write(self, block: TickBlock) -> None:
        """Append a block; its ticks must not be earlier than those before."""
        with self._writing():
            self._format.write(block)
        self.ticks += len(block)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError):  # a full disk is told once, by what found it
                self._format.close()
            self._discard()

    def _finish(self) -> None:
        with self._writing():
            self._format.finish()
            self._file.close()
            os.replace(self._part, self._path)

    def _open_format(self) -> _Format:
        if is_parquet(self._path):
            return _Parquet(self._file, self._path, self._kinds, self._source)
        return _Csv(_packed(self._file, self._path), self._kinds, self._source)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise TapeError(self._path, f"cannot be written: {reason}") from error

    def _discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


class _Csv:
    """Rows of text. Floats are written with the fewest digits that read back the same."""

    def __init__(self, file: BinaryIO, kinds: Sequence[type], source: str | None) -> None:
        self._file = file
        self._source = source
        self._names = _columns(kinds, source)
        self._write_rows([self._names])

    def write(self, block: TickBlock) -> None:
        columns = [_cells(block, name, self._source) for name in self._names]
        self._write_rows(zip(*columns, strict=True))

    def finish(self) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def _write_rows(self, rows: Iterable[Iterable[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue().encode())


class _Parquet:
    """Row groups of columns. Values are float64; whole numbers among them stay exact to 2**53."""

    def __init__(
        self, file: BinaryIO, path: Path, kinds: Sequence[type], source: str | None
    ) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError("tapes", f"writing {path.name}") from None
        self._arrow = pa
        self._source = source
        self._words = pa.dictionary(pa.int32(), pa.string())
        self._schema = pa.schema([(name, self._type_of(name)) for name in _columns(kinds, source)])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._blocks: list[TickBlock] = []
        self._rows = 0

    def write(self, block: TickBlock) -> None:
        self._blocks.append(block)
        self._rows += len(block)
        if self._rows >= ROW_GROUP_TICKS:
            self._write_group()

    def finish(self) -> None:
        if self._rows:
            self._write_group()
        self.close()

    def close(self) -> None:
        self._writer.close()

    def _type_of(self, name: str) -> Any:
        if name == "ts_event":
            return self._arrow.int64()
        return self._words if name in _WORDS else self._arrow.float64()

    def _write_group(self) -> None:
        columns = [self._column(name) for name in self._schema.names]
        table = self._arrow.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table)
        self._blocks, self._rows = [], 0

    def _column(self, name: str) -> Any:
        if name == "ts_event":
            return self._arrow.array(np.concatenate([block.ts_event for block in self._blocks]))
        if name in _WORDS:
            cells = [cell for block in self._blocks for cell in _cells(block, name, self._source)]
            return self._arrow.array(cells, self._arrow.string()).dictionary_encode()
        values = np.concatenate([_numbers(block, name) for block in self._blocks])
        return self._arrow.array(values, from_pandas=True)  # where NaN means empty


def _packed(file: BinaryIO, path: Path) -> BinaryIO:
    """Wrap a file by the ending of its name; the same content gives the same bytes."""
    name = path.name.lower()
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=file, mtime=0))
    if not name.endswith(".zst"):
        return file
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError("tapes", f"writing {path.name}") from None
    return cast(BinaryIO, zstandard.ZstdCompressor(level=9).stream_writer(file))


def _columns(kinds: Sequence[type], source: str | None) -> list[str]:
    values = dict.fromkeys(name for kind in kinds for name in VALUE_COLUMNS[kind])
    return ["type", "symbol", "ts_event", *values, *(["source"] if source else [])]


def _cells(block: TickBlock, name: str, source: str | None) -> list[Any]:
    """Give one column as Python values, None where a cell is empty."""
    if name == "ts_event":
        times: list[int] = block.ts_event.tolist()
        return times
    if name == "source":
        return [source] * len(block)
    cells = np.full(len(block), None, dtype=object)
    for part in block.parts:
        values = _values(part, name)
        if values is not None:
            cells[_places(part)] = values
    return list(cells)


def _values(part: Part, name: str) -> Any:
    if name == "type":
        return _TYPE_OF[part.kind]
    return part.symbols[part.codes] if name == "symbol" else part.columns.get(name)


def _numbers(block: TickBlock, name: str) -> NDArray[np.float64]:
    """Give one column of numbers, NaN where a cell is empty."""
    numbers = np.full(len(block), np.nan)
    for part in block.parts:
        values = part.columns.get(name)
        if values is not None:
            numbers[_places(part)] = values
    return numbers


def _places(part: Part) -> Any:
    return slice(None) if part.rows is None else part.rows
