"""Raw columns: cells for messages, and text made of whatever there is."""

from __future__ import annotations

import numpy as np
import pytest

from feed.tape.columns import Chunk, Column, Instants, Numbers, Texts, Words, texts_of, words_of

NS = 1_609_459_200_000_000_001
COLUMNS: list[tuple[Column, list[object]]] = [
    (Numbers(np.array([1, 2, 3])), [1, 2, 3]),
    (Numbers(np.array([1.5, 0.0, 3.0]), np.array([False, True, False])), [1.5, None, 3.0]),
    (Texts(np.array(["a", None, "b"], dtype=object)), ["a", None, "b"]),
    (Words(np.array([1, -1, 0]), np.array(["x", "y"], dtype=object)), ["y", None, "x"]),
    (
        Instants(np.array([NS, 0, NS]), True, False, np.array([False, True, False])),
        ["2021-01-01T00:00:00.000000001", None, "2021-01-01T00:00:00.000000001"],
    ),
]


@pytest.mark.parametrize(("column", "cells"), COLUMNS)
def test_a_cell_is_what_the_file_holds(column: Column, cells: list[object]) -> None:
    assert [column.cell(row) for row in range(3)] == cells


@pytest.mark.parametrize(("column", "cells"), COLUMNS)
def test_taken_rows_keep_their_cells(column: Column, cells: list[object]) -> None:
    chunk = Chunk(1, 3, {"c": column}).take(np.array([2, 1]))
    assert [chunk.columns["c"].cell(row) for row in range(2)] == [cells[2], cells[1]]


@pytest.mark.parametrize(("column", "cells"), COLUMNS)
def test_any_column_can_be_text_or_words(column: Column, cells: list[object]) -> None:
    expected = [None if cell is None else str(cell) for cell in cells]
    assert texts_of(column).values.tolist() == expected
    words = words_of(column)
    assert [words.cell(row) for row in range(3)] == expected
