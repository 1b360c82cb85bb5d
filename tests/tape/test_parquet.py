"""Parquet files, whatever types their columns have."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feed.errors import MissingExtraError, TapeError
from feed.tape.layout import recognise
from feed.tape.parquet import ParquetTape
from feed.ticks import Tick, Trade

Read = Callable[..., list[Tick]]

NEW_YEAR_NS = 1_609_459_200_000_000_000


def save(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NEW_YEAR_NS, NEW_YEAR_NS + 1]),
        pa.array([NEW_YEAR_NS, NEW_YEAR_NS + 1], pa.uint64()),
        pa.array([NEW_YEAR_NS, NEW_YEAR_NS + 1], pa.timestamp("ns", "UTC")),
        pa.array([NEW_YEAR_NS, NEW_YEAR_NS + 1], pa.timestamp("ns", "America/New_York")),
        pa.array([NEW_YEAR_NS, NEW_YEAR_NS + 1], pa.timestamp("ns")),
        pa.array(["2021-01-01T00:00:00Z", "2021-01-01T00:00:00.000000001Z"]),
    ],
)
def test_times_of_every_type_are_exact(times: Any, tmp_path: Path, read: Read) -> None:
    path = save(tmp_path / "t.parquet", {"ts_event": times, "price": [1.0, 2.0]})
    assert [t.ts_event for t in read(path, symbol="A")] == [NEW_YEAR_NS, NEW_YEAR_NS + 1]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_coarser_times_are_scaled(unit: str, tmp_path: Path, read: Read) -> None:
    times = pa.array([dt.datetime(2021, 1, 1, tzinfo=dt.UTC)], pa.timestamp(unit, "UTC"))
    path = save(tmp_path / "t.parquet", {"timestamp": times, "price": [1.0]})
    assert read(path, symbol="A") == [Trade("A", 0, NEW_YEAR_NS, 1.0, None, 0)]


@pytest.mark.parametrize(
    ("prices", "sizes"),
    [
        (pa.array([1.5, 2.5]), pa.array([3, None])),
        (pa.array([1.5, 2.5], pa.float32()), pa.array([3, None], pa.uint16())),
        (pa.array([Decimal("1.50"), Decimal("2.50")]), pa.array([3.0, None])),
        (pa.array(["1.5", "2.5"]), pa.array(["3", None])),
    ],
)
def test_numbers_of_every_type_are_read(
    prices: Any, sizes: Any, tmp_path: Path, read: Read
) -> None:
    columns = {"ts_event": [1, 2], "price": prices, "size": sizes}
    ticks = read(save(tmp_path / "t.parquet", columns), symbol="A")
    assert ticks == [Trade("A", 0, 1, 1.5, 3, 0), Trade("A", 0, 2, 2.5, None, 0)]


@pytest.mark.parametrize(
    "symbols",
    [
        pa.array(["A", "B", "A"]),
        pa.array(["A", "B", "A"], pa.large_string()),
        pa.array(["A", "B", "A"]).dictionary_encode(),
        pa.array([b"A", b"B", b"A"]),
    ],
)
def test_symbols_of_every_type_are_read(symbols: Any, tmp_path: Path, read: Read) -> None:
    columns = {"ts_event": [1, 2, 3], "symbol": symbols, "price": [1.0, 1.0, 1.0]}
    assert [t.symbol for t in read(save(tmp_path / "t.pq", columns))] == ["A", "B", "A"]


def test_numbers_as_symbols_are_read(tmp_path: Path, read: Read) -> None:
    path = save(tmp_path / "t.pq", {"ts": [NEW_YEAR_NS], "ticker": [600519], "price": [1.0]})
    assert read(path)[0].symbol == "600519"


def test_an_empty_size_is_not_told_but_nan_is_bad(tmp_path: Path, read: Read) -> None:
    sizes = pa.array([None, float("nan")], pa.float64(), from_pandas=False)
    columns = {"ts_event": [1, 2], "price": [1.0, 1.0], "size": sizes}
    with pytest.raises(TapeError, match="row 2: size must be a number of 0 or more, was nan"):
        read(save(tmp_path / "t.parquet", columns), symbol="A")


@pytest.mark.parametrize("rows", [7, 64, 1_000])
def test_rows_keep_their_order_and_numbers_across_row_groups(rows: int, tmp_path: Path) -> None:
    symbols = pa.array([f"S{i % 5}" for i in range(100)])
    columns = {"ts_event": np.arange(100), "symbol": symbols, "price": np.arange(100.0)}
    tape = ParquetTape(save(tmp_path / "t.parquet", columns, row_group_size=30))
    chunks = list(tape.chunks(recognise(tape.path, tape.columns, {}), rows))
    assert all(chunk.rows <= rows for chunk in chunks)
    cells = [(c.first_row + i, c.columns["price"].cell(i)) for c in chunks for i in range(c.rows)]
    assert cells == [(row, float(row - 1)) for row in range(1, 101)]
    names = [c.columns["symbol"].cell(i) for c in chunks for i in range(c.rows)]
    assert names == symbols.to_pylist()
    assert tape.distinct("symbol") == (frozenset({f"S{i}" for i in range(5)}), 100)


def test_only_the_columns_asked_for_are_read(tmp_path: Path, read: Read) -> None:
    lists = pa.array([[1, 2], [3]])  # of a type that no tick has
    columns = {"ts_event": [1, 2], "flags": lists, "price": [1.0, 2.0]}
    assert len(read(save(tmp_path / "t.parquet", columns), symbol="A")) == 2


def test_column_names_with_dots_and_brackets_are_read(tmp_path: Path, read: Read) -> None:
    columns = {"timestamp": [NEW_YEAR_NS], "bids[0].price": [1.0], "asks[0].price": [2.0]}
    assert len(read(save(tmp_path / "t.parquet", columns), symbol="A")) == 1


def whole_file(tmp_path: Path) -> bytes:
    columns = {"ts_event": np.arange(9_999), "price": np.random.default_rng(1).random(9_999)}
    return save(tmp_path / "whole.parquet", columns).read_bytes()


def test_broken_files_are_one_error_naming_the_file(tmp_path: Path, read: Read) -> None:
    whole = whole_file(tmp_path)
    for broken in (b"", b"PAR1", whole[:-9], whole[: len(whole) // 2], b"\0" * 999):
        path = tmp_path / "broken.parquet"
        path.write_bytes(broken)
        with pytest.raises(TapeError, match=r"broken\.parquet: cannot be read: "):
            read(path, symbol="A")


def test_damage_in_the_middle_is_found_when_it_is_read(tmp_path: Path, read: Read) -> None:
    whole = bytearray(whole_file(tmp_path))
    whole[30:5_000] = b"\xff" * 4_970
    path = tmp_path / "damaged.parquet"
    path.write_bytes(whole)
    with pytest.raises(TapeError, match=r"damaged\.parquet: cannot be read: "):
        read(path, symbol="A")


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"reading t\.parquet needs the extra 'tapes'"):
        ParquetTape(tmp_path / "t.parquet")
