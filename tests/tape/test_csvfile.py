"""CSV files of all sorts, cell by cell."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from feed.errors import TapeError
from feed.tape.csvfile import CsvTape
from feed.tape.layout import recognise
from feed.ticks import Bar, Quote, Tick, Trade

Write = Callable[[str, "str | bytes"], Path]
Read = Callable[..., list[Tick]]

PLAIN = "ts_event,symbol,price,size\n1,A,2.5,3\n2,B,3.5,4\n"
TICKS = [Trade("A", 0, 1, 2.5, 3, 0), Trade("B", 0, 2, 3.5, 4, 0)]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.rstrip("\n"),
        PLAIN + "\n\n",
        "\n\n" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ", "),
        PLAIN.replace("symbol", '"symbol"').replace("A", '"A"'),
        PLAIN.replace("\n", ",\n"),
        PLAIN.replace("3\n", "3,,,,\n").replace("4\n", "4,,,,\n"),
        "ts_event,note,symbol,price,size,x\n1,,A,2.5,3,\n2,hm,B,3.5,4\n",
    ],
)
def test_the_same_rows_come_from_every_way_of_writing_them(text: str, read_csv: Read) -> None:
    assert read_csv(text) == TICKS


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
def test_packed_files_hold_the_same(name: str, write: Write, read: Read) -> None:
    packed = {"gz": gzip.compress(PLAIN.encode()), "zst": zstandard.compress(PLAIN.encode())}
    assert read(write(name, packed.get(name.rsplit(".", 1)[1], PLAIN.encode()))) == TICKS


def test_symbols_stay_as_they_are_written(read_csv: Read) -> None:
    numbers = read_csv("ts_event,symbol,price\n1,000001,1\n2,600519,1\n")
    assert [tick.symbol for tick in numbers] == ["000001", "600519"]
    text = "ts_event,symbol,price\n1,000001,1\n2,NA,1\n3,nan,1\n4,1e5,1\n5,True,1\n"
    assert [tick.symbol for tick in read_csv(text)] == ["000001", "NA", "nan", "1e5", "True"]


@pytest.mark.parametrize("empty", ["", "null", "NULL", "None", "NA", "N/A"])
def test_an_empty_size_is_not_told(empty: str, read_csv: Read) -> None:
    text = f"ts_event,symbol,price,size\n1,A,1,{empty}\n2,A,1,7\n"
    assert [tick.size for tick in read_csv(text) if isinstance(tick, Trade)] == [None, 7]


def test_histdatas_files_without_header_are_recognised(read_csv: Read) -> None:
    quotes = read_csv("20200101 170000065,1.1,1.2,0\n20200101 170000066,1.3,1.4,0\n", symbol="E")
    assert quotes[0] == Quote("E", 0, 1_577_898_000_065_000_000, 1.1, None, 1.2, None, 0)
    assert len(quotes) == 2
    bars = read_csv("20200101 170000;1;2;0.5;1.5;0\n20200101 170100;1;2;0.5;1.5;9\n", symbol="E")
    assert [(b.interval, b.volume) for b in bars if isinstance(b, Bar)] == [("1m", 0), ("1m", 9)]


def test_other_files_without_header_have_numbered_columns(read_csv: Read) -> None:
    text = "5,1609459200000,1.5,A\n6,1609459200001,1.6,A\n"
    with pytest.raises(TapeError, match="its columns are 1, 2, 3, 4"):
        read_csv(text)
    mapping = {"ts_event": "2", "price": "3", "symbol": "4"}
    ticks = read_csv(text, mapping=mapping)
    assert ticks[0] == Trade("A", 0, 1_609_459_200_000_000_000, 1.5, None, 0)
    assert len(ticks) == 2


@pytest.mark.parametrize("extra", [",9", ",9,9,9,9"])
@pytest.mark.parametrize("row", [1, 3])
def test_a_row_with_too_many_cells_is_bad(extra: str, row: int, read_csv: Read) -> None:
    lines = ["ts_event,symbol,price", *(f"{i},A,1.5" for i in range(1, 6))]
    lines[row] += extra
    with pytest.raises(TapeError, match=f"row {row}: has more cells than the header has names"):
        read_csv("\n".join(lines))
    kept = read_csv("\n".join(lines), bad_rows="skip")
    assert kept == [Trade("A", 0, i, 1.5, None, 0) for i in range(1, 6) if i != row]


def test_a_row_with_too_few_cells_is_bad(read_csv: Read) -> None:
    with pytest.raises(TapeError, match="row 2: price is missing"):
        read_csv("ts_event,symbol,price\n1,A,1.5\n2,A\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\x00\x01\x02" * 99, "is not text, though its name says CSV"),
        ("ts,bid,ask".encode("utf-16"), "is not text, though its name says CSV"),
        (b"\x89\xfe\xff\x80" * 99, "cannot tell the time"),
        (b'ts_event,symbol,price\n1,"A,1.5\n2,A,1\n', "cannot be read: .*EOF inside string"),
        (b"ts_event,symbol,price\n", "no tick in it"),
    ],
)
def test_a_broken_file_is_one_error_naming_it(
    content: bytes, message: str, write: Write, read: Read
) -> None:
    with pytest.raises(TapeError, match=rf"tape\.csv: {message}"):
        read(write("tape.csv", content))


def test_chunks_number_their_rows_and_hold_at_most_so_many(write: Write) -> None:
    text = "ts_event,symbol,price\n" + "".join(f"{i},S{i % 3},1.5\n" for i in range(1, 11))
    tape = CsvTape(write("t.csv", text))
    chunks = list(tape.chunks(recognise(tape.path, tape.columns, {}), 4))
    assert [(chunk.first_row, chunk.rows) for chunk in chunks] == [(1, 4), (5, 4), (9, 2)]
    assert tape.distinct("symbol") == (frozenset({"S0", "S1", "S2"}), 10)


def test_a_file_left_half_read_is_closed(write: Write) -> None:
    tape = CsvTape(write("t.csv", PLAIN))
    chunks: Iterator[object] = tape.chunks(recognise(tape.path, tape.columns, {}), 1)
    next(chunks)
    del chunks  # a file left open would warn, and warnings are errors


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=20), st.booleans())
def test_floats_are_exactly_those_of_the_text(
    tmp_path_factory: pytest.TempPathFactory, prices: list[float], junk: bool
) -> None:
    path = tmp_path_factory.mktemp("floats") / "t.csv"
    rows = "".join(f"1,A,{price!r}\n" for price in prices)
    path.write_text("ts_event,symbol,price\n" + rows + ("2,A,x\n" if junk else ""))
    tape = CsvTape(path)
    (chunk,) = tape.chunks(recognise(path, tape.columns, {}), 100)
    cells = [chunk.columns["price"].cell(row) for row in range(len(prices))]
    assert [float(str(cell)) for cell in cells] == prices
