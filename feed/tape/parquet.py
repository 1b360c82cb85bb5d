"""Read a Parquet file in chunks of rows, and only the columns asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from feed.errors import MissingExtraError
from feed.tape.columns import Chunk, Column, Instants, Mask, Numbers, Texts, Words, words_of
from feed.tape.files import guarded, reading
from feed.tape.layout import Layout

_READ_BYTES = 1 << 20
"""Of each column at a time; without it a whole row group is held, however large it is."""


class ParquetTape:
    """One Parquet file.

    Attributes:
        path: where it is.
        columns: the names of its columns.
        rows: how many rows it has.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path), closing(_open(path)) as file:
            self.columns: tuple[str, ...] = tuple(file.schema_arrow.names)
            self.rows: int | None = file.metadata.num_rows

    def first_cell(self, column: str) -> str | None:
        """Give the first row's cell as text, or None when it is empty."""
        for chunk in self._chunks([column], frozenset(), 1):
            cell = chunk.columns[column].cell(0)
            return None if cell is None else str(cell)
        return None

    def chunks(self, layout: Layout, rows: int) -> Iterator[Chunk]:
        """Read the layout's columns in chunks of at most so many rows."""
        return self._chunks(layout.wanted, layout.words, rows)

    def distinct(self, column: str) -> tuple[frozenset[str], int]:
        """Read one column for its distinct values and the number of rows."""
        names: set[str] = set()
        for chunk in self._chunks([column], frozenset([column]), 1 << 18):
            names.update(words_of(chunk.columns[column]).names.tolist())
        return frozenset(names), self.rows or 0

    def is_small(self) -> bool:
        """Tell whether the file as a whole may be held in memory."""
        return (self.rows or 0) <= 1_000_000

    def _chunks(self, columns: list[str], words: frozenset[str], rows: int) -> Iterator[Chunk]:
        with reading(self.path):
            file = _open(self.path, read_dictionary=sorted(words))
        first_row = 1
        with closing(file):
            for batch in guarded(self.path, _batches(file, columns, rows)):
                with reading(self.path):
                    cells = {name: _column(batch.column(name)) for name in columns}
                yield Chunk(first_row, batch.num_rows, cells)
                first_row += batch.num_rows


def _open(path: Path, read_dictionary: list[str] | None = None) -> Any:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("tapes", f"reading {path.name}") from None
    return pq.ParquetFile(
        path, read_dictionary=read_dictionary, buffer_size=_READ_BYTES, pre_buffer=False
    )


def _batches(file: Any, columns: list[str], rows: int) -> Iterator[Any]:
    if file.metadata.num_rows > rows:
        yield from file.iter_batches(rows, columns=columns, use_threads=False)
        return
    # Batches of words end where a row group does; what may come as one, comes as one.
    table = file.read(columns, use_threads=False).combine_chunks()
    yield from table.to_batches()


def _column(cells: Any) -> Column:
    import pyarrow as pa

    kind = cells.type
    if pa.types.is_dictionary(kind):
        return _dictionary(cells)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _instants(cells)
    if pa.types.is_integer(kind):
        return Numbers(_filled(cells, pa.int64(), 0), _missing(cells))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Numbers(_filled(cells, pa.float64(), 0.0), _missing(cells))
    values = np.empty(len(cells), dtype=object)
    values[:] = cells.cast(pa.string()).to_pylist()
    return Texts(values)


def _dictionary(cells: Any) -> Words:
    import pyarrow as pa

    codes = cells.indices.fill_null(-1).cast(pa.int32()).to_numpy(zero_copy_only=False)
    names = np.empty(len(cells.dictionary), dtype=object)
    names[:] = cells.dictionary.cast(pa.string()).to_pylist()
    return Words(codes, names)


def _instants(cells: Any) -> Instants:
    import pyarrow as pa

    dates = pa.types.is_date(cells.type)
    values = _filled(cells.cast(pa.timestamp("ns", getattr(cells.type, "tz", None))), pa.int64(), 0)
    aware = not dates and cells.type.tz is not None
    return Instants(values, aware, dates, _missing(cells))


def _filled(cells: Any, kind: Any, empty: float) -> Any:
    cells = cells.cast(kind)
    return (cells.fill_null(empty) if cells.null_count else cells).to_numpy(zero_copy_only=False)


def _missing(cells: Any) -> Mask | None:
    return cells.is_null().to_numpy(zero_copy_only=False) if cells.null_count else None
