"""Read a CSV file, perhaps compressed, in chunks of rows, and only the columns asked for."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from feed.errors import TapeError
from feed.tape.columns import Chunk, Column, Numbers, Texts, Words, words_of
from feed.tape.files import guarded, open_bytes, reading
from feed.tape.layout import Layout

_SNIFF_BYTES = 1 << 16
_SMALL_BYTES = 64 << 20
_SMALL_PACKED_BYTES = 8 << 20

_EMPTY: Final = ["", "null", "NULL", "None", "NA", "N/A"]
"""What stands for no value in a column of numbers. `nan` does not: it is a value, and a bad one."""

_HISTDATA_TIME = re.compile(r"\d{8} \d{6}(\d{3})?")
_HISTDATA: Final = {
    4: ("ts_event", "bid", "ask", "volume"),
    6: ("ts_event", "open", "high", "low", "close", "volume"),
}
"""HistData.com's files have no header: ASCII ticks and one-minute bars, by number of columns."""


class CsvTape:
    """One CSV file.

    Attributes:
        path: where it is.
        columns: the names of its columns; of a file without a header, 1, 2, 3 and so on.
        rows: how many rows it has, when known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: int | None = None
        first, second = self._sniff()
        self._delimiter = _delimiter(first.text)
        cells = _split(first.text, self._delimiter)
        headless = any(_is_value(cell) for cell in cells)
        self._data_at = first.start if headless else first.stop
        self._first_row = _split(first.text if headless else second.text, self._delimiter)
        self.columns = _names_without_header(cells) if headless else _unique(cells)

    def first_cell(self, column: str) -> str | None:
        """Give the first row's cell as text, or None when it is empty."""
        place = self.columns.index(column)
        return self._first_row[place] or None if place < len(self._first_row) else None

    def chunks(self, layout: Layout, rows: int) -> Iterator[Chunk]:
        """Read the layout's columns in chunks of at most so many rows."""
        return self._chunks(layout.wanted, layout.words, layout.time, rows)

    def distinct(self, column: str) -> tuple[frozenset[str], int] | None:
        """Read one column for its distinct values and the number of rows, if the file is small."""
        if not self.is_small():
            return None
        names: set[str] = set()
        count = 0
        for chunk in self._chunks([column], frozenset([column]), (), 1 << 18):
            names.update(words_of(chunk.columns[column]).names.tolist())
            count += chunk.rows
        return frozenset(names), count

    def is_small(self) -> bool:
        """Tell whether the file as a whole may be held in memory."""
        plain = self.path.name.lower().endswith(".csv")
        with reading(self.path):
            return self.path.stat().st_size <= (_SMALL_BYTES if plain else _SMALL_PACKED_BYTES)

    def _sniff(self) -> tuple[_Line, _Line]:
        """Give the first two lines that are not blank; the second is empty when there is none."""
        with reading(self.path), closing(open_bytes(self.path)) as file:
            head = file.read(_SNIFF_BYTES)
        if b"\0" in head:
            raise TapeError(self.path, "is not text, though its name says CSV")
        lines = list(islice(_lines(head), 2))
        if not lines:
            raise TapeError(self.path, "is empty")
        return lines[0], lines[1] if len(lines) > 1 else _Line("", 0, 0)

    def _chunks(
        self, columns: Sequence[str], words: frozenset[str], times: Sequence[str], rows: int
    ) -> Iterator[Chunk]:
        places = {name: str(self.columns.index(name)) for name in columns}
        texts = {*words, *(name for name in times if self._keep_text(name, times))}
        empty = {places[name]: [""] if name in words else _EMPTY for name in columns}
        with reading(self.path):
            file = self._open_with_header()
        with closing(file):
            with reading(self.path):
                frames = self._open_frames(file, {places[name] for name in texts}, empty, rows)
            first_row = 1
            for frame in guarded(self.path, frames):
                if len(frame):
                    yield self._chunk(frame, places, words, first_row)
                first_row += len(frame)

    def _open_with_header(self) -> BinaryIO:
        """Open the file with a header of our own: the columns' places, and one place more.

        What a row has beyond its own columns is found in that place; pandas would call the row an
        error and stop, without a way to go on and still count it.
        """
        file = open_bytes(self.path)
        file.read(self._data_at)
        places = (str(place) for place in range(len(self.columns) + 1))
        header = self._delimiter.join(places) + "\n"
        return cast(BinaryIO, io.BufferedReader(_Prefixed(header.encode(), file), 1 << 18))

    def _open_frames(
        self, file: BinaryIO, texts: set[str], empty: dict[str, list[str]], rows: int
    ) -> Any:
        import pandas as pd

        beyond = str(len(self.columns))
        return pd.read_csv(
            file,
            sep=self._delimiter,
            usecols=[*empty, beyond],
            index_col=False,  # else a first row that is too long moves every column to the left
            dtype=dict.fromkeys((*texts, beyond), object),
            keep_default_na=False,
            na_values={**empty, beyond: [""]},
            skipinitialspace=True,
            chunksize=rows,
            low_memory=False,
            encoding="utf-8",
            encoding_errors="replace",
            **_exact_floats(),
        )

    def _chunk(
        self, frame: Any, places: dict[str, str], words: frozenset[str], first_row: int
    ) -> Chunk:
        cells = {
            name: _words(frame[place]) if name in words else _column(frame[place])
            for name, place in places.items()
        }
        ragged = frame[str(len(self.columns))].notna().to_numpy()
        return Chunk(first_row, len(frame), cells, ragged if ragged.any() else None)

    def _keep_text(self, time: str, times: Sequence[str]) -> bool:
        """Tell whether a time has to be kept as text, which it need not if it is a whole number."""
        first = self.first_cell(time) or ""
        return len(times) > 1 or not first.isdigit() or first.startswith("0")


class _Prefixed(io.RawIOBase):
    """Some bytes, and then a file's."""

    def __init__(self, prefix: bytes, file: BinaryIO) -> None:
        self._prefix = prefix
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._prefix or self._file.read(len(buffer))
        self._prefix = b""
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    start: int
    stop: int


def _lines(head: bytes) -> Iterator[_Line]:
    """Give the lines that are not blank, with their places in the file."""
    bom = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    for found in re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|$)").finditer(head, bom):
        text = found[0].decode("utf-8", "replace").strip("\r\n")
        if text.strip():
            yield _Line(text, *found.span())


def _exact_floats() -> dict[str, Any]:
    """Before pandas 3.1 the default parser is off by one unit in the last place now and then."""
    import pandas as pd

    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _words(cells: Any) -> Words:
    import pandas as pd

    codes, names = pd.factorize(cells)
    return Words(codes, names.to_numpy(dtype=object))


def _column(cells: Any) -> Column:
    missing = cells.isna().to_numpy()
    if cells.dtype.kind in "iuf":
        return Numbers(cells.to_numpy(), missing if missing.any() else None)
    values = cells.astype(object).to_numpy(dtype=object, copy=True)
    values[missing] = None
    if cells.dtype.kind == "b" or not all(isinstance(v, str | None) for v in values):
        values[~missing] = [str(value) for value in values[~missing]]
    return Texts(values)


def _delimiter(line: str) -> str:
    counts = Counter(char for char in line if char in ",;\t|")
    return counts.most_common(1)[0][0] if counts else ","


def _split(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _is_value(cell: str) -> bool:
    """Tell a number or a time, which no header holds, from a name."""
    return re.fullmatch(r"[+-]?\d[\d.:eE+\-/ TZ]*", cell) is not None


def _names_without_header(cells: list[str]) -> tuple[str, ...]:
    if _HISTDATA_TIME.fullmatch(cells[0]) and len(cells) in _HISTDATA:
        return _HISTDATA[len(cells)]
    return tuple(str(number) for number in range(1, len(cells) + 1))


def _unique(cells: list[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    names = []
    for cell in cells:
        seen[cell] += 1
        names.append(cell if seen[cell] == 1 else f"{cell}.{seen[cell]}")
    return tuple(names)
