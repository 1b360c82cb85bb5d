"""Read a DataFrame as if it were a file: its columns are recognised, its rows checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from feed.tape.columns import Chunk, Column, Instants, Numbers, Texts, words_of
from feed.tape.layout import Layout
from feed.tape.options import TapeOptions
from feed.tape.reader import read_file
from feed.ticks import Tick

if TYPE_CHECKING:
    import pandas as pd

PART_ROWS: Final = 10_000
"""How many rows are ticks at a time: columns take less memory."""


class FrameTape:
    """One DataFrame; a named or a time index counts as a column.

    Attributes:
        path: what messages call it.
        columns: the names of its columns.
        rows: how many rows it has.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        import pandas as pd

        if frame.index.name is not None or isinstance(frame.index, pd.DatetimeIndex):
            name = "ts_event" if frame.index.name is None else frame.index.name
            frame = frame.reset_index(names=name)
        self._frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
        self.path = "the frame"
        self.columns = tuple(self._frame.columns)
        self.rows: int | None = len(frame)

    def first_cell(self, column: str) -> str | None:
        """Give the first row's cell as text, or None when it is empty."""
        cell = _column(self._frame[column].iloc[:1]).cell(0) if self.rows else None
        return None if cell is None else str(cell)

    def chunks(self, layout: Layout, rows: int) -> Iterator[Chunk]:
        """Give the layout's columns in chunks of at most so many rows."""
        for start in range(0, len(self._frame), rows):
            part = self._frame.iloc[start : start + rows]
            yield Chunk(start + 1, len(part), {name: _column(part[name]) for name in layout.wanted})

    def distinct(self, column: str) -> tuple[frozenset[str], int]:
        """Give one column's distinct values, and the number of rows."""
        names = words_of(_column(self._frame[column])).names
        return frozenset(names.tolist()), len(self._frame)

    def is_small(self) -> bool:
        """Tell that it may be held in memory as a whole, as it is there already."""
        return True


def ticks_of(frame: pd.DataFrame, *, symbol: str | None = None) -> Iterator[Tick]:
    """Give a DataFrame's rows as ticks, without seqs.

    Args:
        symbol: of a frame that has no symbol column.

    Raises:
        TapeError: a column is missing, or a row is no tick, before any tick is given.
    """
    blocks = list(read_file(FrameTape(frame), TapeOptions(symbol=symbol)).blocks())
    for block in blocks:
        for start in range(0, len(block), PART_ROWS):
            yield from block.ticks(start, min(start + PART_ROWS, len(block)))


def _column(cells: pd.Series[Any]) -> Column:
    import pandas as pd

    missing = cells.isna().to_numpy()
    if isinstance(cells.dtype, pd.DatetimeTZDtype) or cells.dtype.kind == "M":
        times = pd.DatetimeIndex(cells)
        values = times.as_unit("ns").asi8
        return Instants(values, times.tz is not None, dates=False, missing=missing)
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_bool_dtype(cells.dtype):
        whole = pd.api.types.is_integer_dtype(cells.dtype)
        filled = cells.fillna(0) if missing.any() else cells
        return Numbers(filled.to_numpy(np.int64 if whole else np.float64), missing)
    texts = np.empty(len(cells), dtype=object)
    texts[:] = [None if none else str(cell) for cell, none in zip(cells, missing, strict=True)]
    return Texts(texts)
