"""Chunks become blocks: one symbol table, time ascending, kinds side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from feed.errors import TapeError
from feed.tape.checks import Skipped
from feed.tape.csvfile import CsvTape
from feed.tape.layout import recognise
from feed.tape.options import TapeOptions
from feed.tape.rows import RowReader, SymbolTable
from feed.ticks import Bar, Quote, Status, Tick, Trade

Read = Callable[..., list[Tick]]
Write = Callable[[str, "str | bytes"], Path]

MIXED = """\
type,symbol,ts_event,bid,bid_size,ask,ask_size,price,size,interval,open,high,low,close,volume,vwap,trades,status,reason,source
quote,A,1,1.5,3,1.6,4,,,,,,,,,,,,,test
trade,B,2,,,,,1.7,5,,,,,,,,,,,test
status,A,2,,,,,,,,,,,,,,,halted,news,test
bar,A,3,,,,,,,1m,1,2,0.5,1.5,9,1.2,4,,,test
trade,A,4,,,,,1.8,,,,,,,,,,,,test
"""
MIXED_TICKS = [
    Quote("A", 0, 1, 1.5, 3, 1.6, 4, 0),
    Trade("B", 0, 2, 1.7, 5, 0),
    Status("A", 0, 2, "halted", "news", 0),
    Bar("A", 0, "1m", 3, 1.0, 2.0, 0.5, 1.5, 9, 1.2, 4, 0),
    Trade("A", 0, 4, 1.8, None, 0),
]


def test_a_mixed_file_gives_each_row_its_kind(read_csv: Read) -> None:
    assert read_csv(MIXED) == MIXED_TICKS


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("swap,A,4", "type must be quote, trade, bar, status, was 'swap'"),
        ("trade,A,4,,,,,-1", "price must be a number above 0, was -1.0"),
        ("quote,A,4,3,,2,", "bid 3.0 is above ask 2.0"),
        ("trade,A,1,,,,,1", "time goes backwards"),
        ("status,A B,4,,,,,,,,,,,,,,,x,", "symbol must be"),
    ],
)
def test_a_bad_row_of_a_mixed_file_is_left_out_alone(row: str, reason: str, read_csv: Read) -> None:
    lines = MIXED.splitlines()
    text = "\n".join([*lines[:5], row, lines[5]])
    with pytest.raises(TapeError, match=f"row 5: {reason}"):
        read_csv(text)
    assert read_csv(text, bad_rows="skip") == MIXED_TICKS


def test_a_kind_whose_columns_a_mixed_file_lacks_is_a_bad_row(read_csv: Read) -> None:
    text = "type,symbol,ts_event,price\ntrade,A,1,1.5\nquote,A,2,\n"
    with pytest.raises(TapeError, match="row 2: the file has no column bid"):
        read_csv(text)


def test_a_type_column_that_means_something_else_does_not_matter(read_csv: Read) -> None:
    ticks = read_csv("type,symbol,ts_event,price\nlimit,A,1,1.5\n")
    assert ticks == [Trade("A", 0, 1, 1.5, None, 0)]


def test_rows_older_than_a_good_one_are_bad_but_not_those_after_a_bad_one(read_csv: Read) -> None:
    rows = ["1,A,1", "9,A,-1", "3,A,1", "2,A,1", "3,A,2", "4,A,1"]
    kept = read_csv("\n".join(["ts_event,symbol,price", *rows]), bad_rows="skip")
    assert [tick.ts_event for tick in kept] == [1, 3, 3, 4]


def test_time_may_not_go_backwards_between_chunks_either(write: Write) -> None:
    file = CsvTape(write("t.csv", "ts_event,symbol,price\n1,A,1\n5,A,1\n4,A,1\n6,A,1\n"))
    layout = recognise(file.path, file.columns, {})
    skipped = Skipped()
    reader = RowReader(file, layout, TapeOptions(bad_rows="skip"), SymbolTable())
    times = [block.ts_event.tolist() for block in reader.blocks(2, skipped)]
    assert times == [[1, 5], [6]]
    assert skipped.count == 1
    assert "row 3: time goes backwards" in skipped.reasons[0]


DAILY = """\
Ticker,Date,Open,High,Low,Close,Volume,Adj Close
IBM,2020-01-02,1,2,0.5,1.5,100,1
IBM,2020-01-03,1,2,0.5,1.5,100,1
AAPL,2020-01-02,1,2,0.5,1.5,100,1
AAPL,2020-01-03,1,2,0.5,1.5,100,1
"""


def test_bars_one_symbol_after_the_other_are_put_in_order_of_time(read_csv: Read) -> None:
    ticks = read_csv(DAILY)
    assert [tick.symbol for tick in ticks] == ["IBM", "AAPL", "IBM", "AAPL"]
    assert ticks[0] == Bar(
        "IBM", 0, "1d", 1_577_923_200_000_000_000, 1.0, 2.0, 0.5, 1.5, 100, None, None, 0
    )


def test_bars_in_no_order_are_bad(read_csv: Read) -> None:
    text = DAILY + "IBM,2020-01-01,1,2,0.5,1.5,100,1\n"
    with pytest.raises(TapeError, match="row 3: time goes backwards"):
        read_csv(text)


def test_the_interval_of_bars_is_inferred_or_asked_for(read_csv: Read) -> None:
    rows = "2020-01-02 10:00,A,1,1,1,1\n2020-01-02 10:05,A,1,1,1,1\n"
    ticks = read_csv("time,symbol,open,high,low,close\n" + rows)
    assert [tick.interval for tick in ticks if isinstance(tick, Bar)] == ["5m", "5m"]
    with pytest.raises(TapeError, match="cannot tell the bars' interval; add a column interval"):
        read_csv("time,symbol,open,high,low,close\n" + rows.splitlines()[0])


def test_databentos_fixed_point_prices_are_exact_and_its_no_price_is_missing(
    read_csv: Read,
) -> None:
    header = "ts_event,rtype,publisher_id,price,size,symbol\n"
    assert read_csv(header + "1,0,1,187210000000,5,A\n") == [Trade("A", 0, 1, 187.21, 5, 0)]
    with pytest.raises(TapeError, match="row 1: price must be a number above 0, was 92233720368"):
        read_csv(header + f"1,0,1,{2**63 - 1},5,A\n")


def test_the_symbol_told_is_only_for_files_without_a_symbol_column(read_csv: Read) -> None:
    assert read_csv("ts_event,price\n1,1\n", symbol="X")[0].symbol == "X"
    assert read_csv("ts_event,symbol,price\n1,A,1\n", symbol="X")[0].symbol == "A"


def test_symbols_keep_their_codes_and_what_was_given_does_not_change() -> None:
    table = SymbolTable()
    assert [table.code(name) for name in ("A", "B", "A", "no good")] == [0, 1, 0, -1]
    early = table.names
    assert table.code("C") == 2
    assert (early.tolist(), table.names.tolist()) == (["A", "B"], ["A", "B", "C"])
