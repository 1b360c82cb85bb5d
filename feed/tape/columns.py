"""A stretch of a file's columns, before anybody has judged what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Indexes = NDArray[np.integer[Any]]


class Column(Protocol):
    """The cells of one column."""

    def take(self, rows: Indexes) -> Column:
        """Give the cells of some rows."""

    def cell(self, row: int) -> object:
        """Give one cell for a message; None when it is empty."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Cells that are all numbers or empty.

    Attributes:
        values: int64 or float64; anything where a cell is empty.
        missing: marks empty cells; None when there are none. A NaN is not empty.
    """

    values: NDArray[Any]
    missing: Mask | None = None

    def take(self, rows: Indexes) -> Numbers:
        missing = None if self.missing is None else self.missing[rows]
        return Numbers(self.values[rows], missing)

    def cell(self, row: int) -> object:
        if self.missing is not None and self.missing[row]:
            return None
        return self.values[row].item()


@dataclass(frozen=True, slots=True)
class Texts:
    """Cells of text.

    Attributes:
        values: an object array of str, None where a cell is empty.
    """

    values: NDArray[np.object_]

    def take(self, rows: Indexes) -> Texts:
        return Texts(self.values[rows])

    def cell(self, row: int) -> object:
        return self.values[row]


@dataclass(frozen=True, slots=True)
class Words:
    """Cells of text with few distinct values.

    Attributes:
        codes: each cell's index into `names`, -1 where it is empty.
        names: the distinct values, an object array of str.
    """

    codes: Indexes
    names: NDArray[np.object_]

    def take(self, rows: Indexes) -> Words:
        return Words(self.codes[rows], self.names)

    def cell(self, row: int) -> object:
        code = int(self.codes[row])
        return None if code < 0 else self.names[code]


@dataclass(frozen=True, slots=True)
class Instants:
    """Cells that the file itself types as times or dates.

    Attributes:
        values: nanoseconds since the epoch, or since local midnight of 1970-01-01 if not `aware`.
        aware: whether the file says they are UTC.
        dates: whether they are whole days.
        missing: marks empty cells; None when there are none.
    """

    values: NDArray[np.int64]
    aware: bool
    dates: bool
    missing: Mask | None = None

    def take(self, rows: Indexes) -> Instants:
        missing = None if self.missing is None else self.missing[rows]
        return Instants(self.values[rows], self.aware, self.dates, missing)

    def cell(self, row: int) -> object:
        if self.missing is not None and self.missing[row]:
            return None
        return str(self.values[row].astype("datetime64[ns]"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows of a file.

    Attributes:
        first_row: the 1-based number of the first, not counting the header.
        rows: how many.
        columns: by the file's own names.
        ragged: marks rows with more cells than the header; None when there are none.
    """

    first_row: int
    rows: int
    columns: dict[str, Column]
    ragged: Mask | None = None

    def take(self, rows: Indexes) -> Chunk:
        """Give some of the rows; only their columns mean anything then."""
        columns = {name: column.take(rows) for name, column in self.columns.items()}
        return Chunk(self.first_row, len(rows), columns)


def words_of(column: Column) -> Words:
    """Give any column as text with its distinct values apart."""
    if isinstance(column, Words):
        return column
    import pandas as pd

    codes, names = pd.factorize(texts_of(column).values)
    return Words(codes, np.asarray(names, dtype=object))


def texts_of(column: Column) -> Texts:
    """Give any column as one text per cell."""
    if isinstance(column, Texts):
        return column
    if isinstance(column, Words):
        return Texts(np.append(column.names, [None])[column.codes])
    return Texts(_as_text(column))


def _as_text(column: Column) -> NDArray[np.object_]:
    assert isinstance(column, Numbers | Instants)
    texts = np.empty(len(column.values), dtype=object)
    cells = (column.cell(row) for row in range(len(texts)))
    texts[:] = [None if cell is None else str(cell) for cell in cells]
    return texts
