"""What makes a row bad, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feed.errors import TapeError
from feed.tape.block import VALUE_COLUMNS, TickBlock
from feed.tape.columns import Chunk, Column, Indexes, Mask, Numbers, texts_of, words_of
from feed.tape.layout import REQUIRED, Layout
from feed.tape.options import BadRows
from feed.ticks import Bar, Quote, Status, Trade

Describe = Callable[[int], str]

PRICES: Final = {"bid", "ask", "price", "open", "high", "low", "close", "vwap"}
OPTIONAL: Final = {"bid_size", "ask_size", "size", "volume", "vwap", "trades", "reason"}
WORDS: Final = {"interval", "status", "reason"}
_ORDERED: Final[dict[type, tuple[str, str] | None]] = {
    Quote: ("bid", "ask"),
    Bar: ("low", "high"),
    Trade: None,
    Status: None,
}
"""Two columns of which the first may not be above the second."""

_NO_PRICE: Final = 2**63 - 1
"""Databento's fixed-point price for none."""

REASONS_KEPT: Final = 5


@dataclass(slots=True)
class Skipped:
    """Bad rows left out so far.

    Attributes:
        count: how many.
        reasons: of the first few, each with file and row.
    """

    count: int = 0
    reasons: list[str] = field(default_factory=list)


class Findings:
    """The bad rows of one chunk; where a row is bad in several ways, the first found is told."""

    def __init__(self, rows: int) -> None:
        self.bad: Mask = np.zeros(rows, bool)
        self._found: list[tuple[Mask, Describe]] = []

    def add(self, mask: Mask | None, describe: Describe) -> None:
        """Mark rows as bad; `describe` is called with a row's place in the chunk."""
        if mask is not None and mask.any():
            self._found.append((mask, describe))
            self.bad |= mask

    def add_some(self, rows: Indexes, mask: Mask | None, describe: Describe) -> None:
        """Mark some of the rows at these places; `describe` gets the index into `rows`."""
        if mask is not None and mask.any():
            whole = np.zeros(len(self.bad), bool)
            whole[rows[mask]] = True
            self.add(whole, lambda row: describe(int(np.searchsorted(rows, row))))

    def settle(self, path: Path, first_row: int, bad_rows: BadRows, skipped: Skipped) -> None:
        """Raise the first bad row as a TapeError, or count them all as skipped."""
        if not self._found:
            return
        places = np.flatnonzero(self.bad)
        if bad_rows == "error":
            raise self._error(path, first_row, int(places[0]))
        skipped.count += len(places)
        for place in places[: REASONS_KEPT - len(skipped.reasons)].tolist():
            skipped.reasons.append(str(self._error(path, first_row, place, remedy="")))

    def good_of(self, block: TickBlock) -> TickBlock:
        """Give the good rows of the chunk."""
        return block.select(np.flatnonzero(~self.bad)) if self.bad.any() else block

    def _error(
        self,
        path: Path,
        first_row: int,
        place: int,
        remedy: str = "; --bad-rows skip leaves it out",
    ) -> TapeError:
        reason = next(describe(place) for mask, describe in self._found if mask[place])
        return TapeError(path, reason + remedy, row=first_row + place)


def check_values(
    kind: type, chunk: Chunk, layout: Layout
) -> tuple[dict[str, NDArray[Any]], list[tuple[Mask | None, Describe]]]:
    """Give a chunk's value columns as ticks want them, and what is bad in them.

    Returns:
        Columns by canonical name, object arrays with None where cells are empty; and masks of bad
        rows, each with what to say about a row.
    """
    lacking = next((name for name in REQUIRED[kind] if name not in layout.values), None)
    if lacking is not None:  # only where a column `type` tells the kind
        return {}, [(np.ones(chunk.rows, bool), lambda _: f"the file has no column {lacking}")]
    values: dict[str, NDArray[Any]] = {}
    faults: list[tuple[Mask | None, Describe]] = []
    for name, column in layout.values.items():
        if name in VALUE_COLUMNS[kind]:
            check = _check_words if name in WORDS else _check_numbers
            values[name], fault = check(name, chunk.columns[column], layout)
            faults.append(fault)
    faults.append(_check_order(_ORDERED[kind], values))
    return values, faults


def _check_numbers(
    name: str, column: Column, layout: Layout
) -> tuple[NDArray[Any], tuple[Mask | None, Describe]]:
    values, missing, junk = numbers_of(column)
    if name in PRICES:
        if layout.fixed_point and values.dtype.kind == "i":
            missing = missing | (values == _NO_PRICE)
            values = values / 1e9
        values = values.astype(np.float64, copy=False)
    with np.errstate(invalid="ignore"):
        good = (values > 0) if name in PRICES else (values >= 0)
        good &= values < np.inf
    good = good & ~junk
    if name in OPTIONAL:
        bad = ~(good | missing)
        if layout.kind is None and not bad.any():
            values = _whole(values, missing)
        values = _with_none(values, missing)
    else:
        bad = ~good | missing
    return values, (bad, _describe(name, column, layout))


def _check_words(
    name: str, column: Column, layout: Layout
) -> tuple[NDArray[Any], tuple[Mask | None, Describe]]:
    words = words_of(column)
    texts = texts_of(words).values
    bad = None if name in OPTIONAL else words.codes < 0
    return texts, (bad, lambda row: f"{_called(name, layout)} is missing")


def _check_order(
    names: tuple[str, str] | None, values: dict[str, NDArray[Any]]
) -> tuple[Mask | None, Describe]:
    if names is None:
        return None, str
    low, high = (values[name] for name in names)
    with np.errstate(invalid="ignore"):
        crossed = low > high
    return (
        crossed,
        lambda row: f"{names[0]} {low[row].item()!r} is above {names[1]} {high[row].item()!r}",
    )


def _describe(name: str, column: Column, layout: Layout) -> Describe:
    allowed = "a number above 0" if name in PRICES else "a number of 0 or more"

    def describe(row: int) -> str:
        cell = column.cell(row)
        if cell is None:
            return f"{_called(name, layout)} is missing"
        return f"{_called(name, layout)} must be {allowed}, was {shown(cell)}"

    return describe


def _called(name: str, layout: Layout) -> str:
    column = layout.values[name]
    return name if column == name else f"{name} (column {column})"


def shown(cell: object) -> str:
    """Give a cell as a message shows it, cut if it is long."""
    text = repr(cell)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _whole(values: NDArray[Any], missing: Mask) -> NDArray[Any]:
    """Give whole numbers back as such: beside the empty cells of other kinds they were floats."""
    filled = np.where(missing, 0, values)
    return filled.astype(np.int64) if np.all(filled == filled // 1) else values


def _with_none(values: NDArray[Any], missing: Mask) -> NDArray[Any]:
    if not missing.any():
        return values
    holes = values.astype(object)
    holes[missing] = None
    return holes


def numbers_of(column: Column) -> tuple[NDArray[Any], Mask, Mask]:
    """Give a column as int64 or float64, with masks of empty cells and of cells that are no number.

    Texts are read as Python reads them: correctly rounded.
    """
    if isinstance(column, Numbers):
        none = np.zeros(len(column.values), bool)
        return column.values, none if column.missing is None else column.missing, none
    texts = texts_of(column).values
    missing = np.array([text is None for text in texts], bool)
    parsed = [_number(text) for text in texts]
    values = np.array([0.0 if number is None else number for number in parsed], np.float64)
    return values, missing, np.array([number is None for number in parsed], bool)


def _number(text: str | None) -> float | None:
    if text is None or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None
