"""Tapes as a whole: real files row by row, folders merged, and what is known beforehand."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feed.errors import TapeError
from feed.tape.options import TapeOptions
from feed.tape.reader import AnyTape, open_tape
from feed.ticks import Bar, Quote, Tick, Trade

Read = Callable[..., list[Tick]]
Write = Callable[[str, "str | bytes"], Path]

REAL = Path(__file__).parents[2].parent / "shared" / "data"
OPEN_FILES = Path("/proc/self/fd")
HEADER = "ts_event,symbol,price\n"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def real(name: str) -> Path:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"the recorded file {name} is not at hand")
    return path


def ns_of(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1_000


def test_every_row_of_the_recorded_crypto_quotes_is_exact(read: Read) -> None:
    path = real("btcusdt-quotes.parquet")
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == 451
    assert read(path) == [
        Quote(r["symbol"], 0, ns_of(r["timestamp"]), r["bid"], r["bid_size"], r["ask"],
              r["ask_size"], 0)
        for r in rows
    ]  # fmt: skip


def test_every_row_of_the_recorded_crypto_trades_is_exact(read: Read) -> None:
    path = real("btcusdt-trades.parquet")
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == 2_001
    assert read(path, symbol="BTC/USDT") == [
        Trade("BTC/USDT", 0, ns_of(r["timestamp"]), r["price"], r["quantity"], 0) for r in rows
    ]


def test_every_row_of_the_recorded_yen_quotes_is_exact(read: Read) -> None:
    path = real("usdjpy-ticks.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1_000
    assert read(path, symbol="USDJPY") == [
        Quote("USDJPY", 0, ns_of(datetime.fromisoformat(r["timestamp"])), float(r["bid"]), None,
              float(r["ask"]), None, 0)
        for r in rows
    ]  # fmt: skip


def test_every_row_of_the_recorded_euro_quotes_is_exact(read: Read) -> None:
    path = real("quote_tick_data.csv")
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 9_500
    form = "%Y%m%d %H%M%S%f%z"
    expected = [
        Quote("EURUSD", 0, ns_of(datetime.strptime(at + "+0000", form)), float(bid), None,
              float(ask), None, 0)
        for at, bid, ask, _ in rows
    ]  # fmt: skip
    assert read(path, symbol="EURUSD") == expected
    assert read(path, symbol="EURUSD", time_format="%Y%m%d %H%M%S%f") == expected


def test_all_recorded_files_together_are_merged_by_time(read: Read) -> None:
    real("btcusdt-quotes.parquet")
    ticks = read(REAL, symbol="X")
    assert len(ticks) == 451 + 2_001 + 1_000 + 9_500
    times = [tick.ts_event for tick in ticks]
    assert times == sorted(times)


def test_daily_bars_with_dates_read(read_csv: Read) -> None:
    text = "Ticker,Date,Open,High,Low,Close,Volume,Adj Close\nA,2000-03-01,1,2,1,2,9,4.18\n"
    assert read_csv(text) == [
        Bar("A", 0, "1d", 951_868_800_000_000_000, 1.0, 2.0, 1.0, 2.0, 9, None, None, 0)
    ]


def test_ties_come_in_order_of_file_then_row(write: Write, tmp_path: Path, read: Read) -> None:
    write("b.csv", HEADER + "1,B,1\n1,B,2\n3,B,3\n")
    write("a.csv", HEADER + "1,A,1\n3,A,2\n3,A,3\n")
    ticks = [(t.symbol, t.price) for t in read(tmp_path) if isinstance(t, Trade)]
    assert ticks == [("A", 1), ("B", 1), ("B", 2), ("A", 2), ("A", 3), ("B", 3)]


def test_start_is_included_and_end_is_not(write: Write, read: Read) -> None:
    path = write("t.csv", HEADER + "1,A,1\n2,A,1\n3,A,1\n4,A,1\n")
    assert [t.ts_event for t in read(path, start_ns=2, end_ns=4)] == [2, 3]
    assert [t.ts_event for t in read(path, path, start_ns=4)] == [4, 4]


def test_a_bad_row_after_the_end_does_not_matter(write: Write, read: Read) -> None:
    path = write("t.csv", HEADER + "".join(f"{i},A,1\n" for i in range(1, 70_000)) + "x,A,1\n")
    assert len(read(path, end_ns=10)) == 9


def test_symbols_and_rows_are_known_where_that_is_cheap(write: Write, tmp_path: Path) -> None:
    path = write("t.csv", HEADER + "1,A,1\n2,B,1\n3,not one,1\n")
    tape = open_tape([path])
    assert (tape.symbols, tape.rows, tape.files) == (frozenset("AB"), 3, (path,))
    pq.write_table(pa.table({"ts_event": [1], "symbol": ["C"], "price": [1.0]}), tmp_path / "u.pq")
    both = open_tape([path, tmp_path / "u.pq"])
    assert (both.symbols, both.rows) == (frozenset("ABC"), 4)
    assert open_tape([path], TapeOptions(start_ns=2)).rows is None
    alone = open_tape([write("v.csv", "ts_event,price\n1,1\n")], TapeOptions(symbol="X"))
    assert (alone.symbols, alone.rows) == (frozenset("X"), None)


def test_the_symbols_of_a_huge_csv_file_are_not_known(write: Write) -> None:
    path = write("t.csv", HEADER + "1,A,1\n")
    tape = open_tape([path])
    os.truncate(path, 65 << 20)  # sparse: takes no room
    assert (tape.symbols, tape.rows) == (None, None)


def test_skipped_rows_are_counted_afresh_on_each_reading(write: Write, tmp_path: Path) -> None:
    write("a.csv", HEADER + "x,A,1\n1,A,1\n2,A,-1\n")
    write("b.csv", HEADER + "1,B,0\n2,B,1\n")
    tape = open_tape([tmp_path], TapeOptions(bad_rows="skip"))
    for _ in range(2):
        assert sum(len(block) for block in tape.blocks()) == 2
        assert tape.skipped_rows == 3
        assert [reason.split(": ")[0].rsplit("/")[-1] for reason in tape.skipped_reasons] == [
            "a.csv, row 1", "a.csv, row 3", "b.csv, row 1",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("ts,price\n1609459200,1\n", {}, "has no symbol column; say what it is of with --symbol"),
        (HEADER, {}, "no tick in it"),
        (HEADER + "1,A,1\n", {"start_ns": 9}, "no tick between --start and --end in it"),
        (HEADER + "1,A,-1\n", {"bad_rows": "skip"}, "no good row in it: .*row 1: price must be"),
        (HEADER + "1,A,1\n", {"mapping": {"size": "Sz"}}, "has no column Sz for --map size=Sz; it"),
    ],
)
def test_a_tape_without_ticks_or_sense_is_one_error(
    text: str, options: dict[str, Any], message: str, read_csv: Read
) -> None:
    with pytest.raises(TapeError, match=rf"tape\.csv: {message}"):
        read_csv(text, **options)


def test_a_mapping_may_be_for_some_of_the_files_only(
    write: Write, tmp_path: Path, read: Read
) -> None:
    write("quotes.csv", "ts_event,symbol,b,a\n1,A,1,2\n")
    write("trades.csv", "ts_event,symbol,price\n2,A,1\n")
    ticks = read(tmp_path, mapping={"bid": "b", "ask": "a"})
    assert [type(tick) for tick in ticks] == [Quote, Trade]


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="needs /proc to see which files are open")
def test_of_many_files_in_a_row_only_those_in_use_are_open(write: Write, tmp_path: Path) -> None:
    for day in range(20):
        write(f"{day:02}.csv", HEADER + f"{day * 10},A,1\n{day * 10 + 9},A,1\n")
    tape: AnyTape = open_tape([tmp_path])

    def files_open() -> int:
        links = [link for link in OPEN_FILES.iterdir() if link.is_symlink()]
        return sum(os.readlink(link).startswith(str(tmp_path)) for link in links)

    assert {files_open() for _ in tape.blocks()} <= {0, 1, 2}
    assert files_open() == 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_whole_sizes_stay_whole_beside_the_empty_cells_of_other_kinds(
    ending: str, tmp_path: Path
) -> None:
    table = {
        "type": ["quote", "trade"],
        "symbol": ["A", "A"],
        "ts_event": [1, 2],
        "bid": [1.5, None],
        "bid_size": [100, None],
        "ask": [2.5, None],
        "ask_size": [None, None],
        "price": [None, 2.0],
        "size": [None, 300],
    }
    frame = pd.DataFrame(table)
    path = tmp_path / f"mixed.{ending}"
    if ending == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    quote, trade = next(open_tape([path]).blocks()).ticks(0, 2)
    assert isinstance(quote, Quote)
    assert isinstance(trade, Trade)
    assert (type(quote.bid_size), quote.bid_size, quote.ask_size) == (int, 100, None)
    assert (type(trade.size), trade.size) == (int, 300)
