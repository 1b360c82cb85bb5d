"""What is written reads back as the same ticks, and a file has its name only when it is whole."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from feed.errors import MissingExtraError, TapeError
from feed.sources.market import Market
from feed.tape.block import TickBlock, block_of
from feed.tape.reader import open_tape
from feed.tape.writer import ROW_GROUP_TICKS, TapeWriter
from feed.ticks import Bar, Quote, Status, Tick, Trade

ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".parquet", ".pq")
START_NS = 1_767_623_400_000_000_000


def blocks(count: int, seed: int = 1) -> list[TickBlock]:
    market = Market(["AAPL", "BTC-USD"], rate=1_000, seed=seed, start_ns=START_NS)
    return list(market.first(count))


def ticks(found: list[TickBlock]) -> list[Tick]:
    return [tick for block in found for tick in block.ticks(0, len(block))]


def write(path: Path, written: list[TickBlock], source: str | None = None) -> None:
    with TapeWriter(path, source=source) as tape:
        for block in written:
            tape.write(block)
        assert tape.ticks == sum(map(len, written))


def read(path: Path) -> list[Tick]:
    return ticks(list(open_tape([path]).blocks()))


@pytest.mark.parametrize("ending", ENDINGS)
def test_ticks_read_back_as_they_were_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tape{ending}"
    written = blocks(20_000)
    write(path, written, source="synthetic")
    assert read(path) == ticks(written)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_ticks_give_the_same_bytes(tmp_path: Path, ending: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / f"tape{ending}", blocks(9_000))
    assert (tmp_path / "one" / f"tape{ending}").read_bytes() == (
        tmp_path / "two" / f"tape{ending}"
    ).read_bytes()


def test_a_packed_tape_does_not_hold_the_time_it_was_written_at(tmp_path: Path) -> None:
    write(tmp_path / "tape.csv.gz", blocks(10))
    assert (tmp_path / "tape.csv.gz").read_bytes()[4:8] == b"\0\0\0\0"


def test_text_has_the_canonical_columns_and_leaves_empty_what_has_no_meaning(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tape.csv"
    write(path, blocks(50), source="synthetic")
    header, *rows = path.read_text().splitlines()
    assert header == "type,symbol,ts_event,bid,bid_size,ask,ask_size,price,size,source"
    cells = [row.split(",") for row in rows]
    assert {row[0]: [bool(cell) for cell in row[3:]] for row in cells} == {
        "quote": [True, True, True, True, False, False, True],
        "trade": [False, False, False, False, True, True, True],
    }
    assert {row[-1] for row in cells} == {"synthetic"}


def test_without_a_source_there_is_no_such_column(tmp_path: Path) -> None:
    write(tmp_path / "tape.csv", blocks(5))
    assert "source" not in (tmp_path / "tape.csv").read_text()


def test_parquet_is_packed_in_row_groups_of_bounded_size(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    write(tmp_path / "tape.parquet", blocks(300_000))
    found = pq.ParquetFile(tmp_path / "tape.parquet")
    rows = [found.metadata.row_group(each).num_rows for each in range(found.num_row_groups)]
    assert (len(rows), sum(rows)) == (3, 300_000)
    assert all(ROW_GROUP_TICKS <= count < ROW_GROUP_TICKS + 20_000 for count in rows[:-1])
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    assert str(found.schema_arrow.field("symbol").type).startswith("dictionary")
    assert str(found.schema_arrow.field("ts_event").type) == "int64"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_every_kind_of_tick_can_be_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tape{ending}"
    written: list[Tick] = [
        Quote("A", 0, 1_000, 1.5, None, 1.75, 2.5, 0),
        Trade("A", 0, 2_000, 1.5, 100, 0),
        Bar("A", 0, "1m", 3_000, 1.0, 2.0, 0.5, 1.5, 10, 1.25, 3, 0),
        Status("B", 0, 4_000, "halted", 'news, "pending"', 0),
        Status("B", 0, 5_000, "trading", None, 0),
    ]
    with TapeWriter(path, kinds=(Quote, Trade, Bar, Status)) as tape:
        for tick in written:
            tape.write(block_of_one(tick))
    assert read(path) == written


def block_of_one(tick: Tick) -> TickBlock:
    names = {
        Quote: ("bid", "bid_size", "ask", "ask_size"),
        Trade: ("price", "size"),
        Bar: ("interval", "open", "high", "low", "close", "volume", "vwap", "trades"),
        Status: ("status", "reason"),
    }[type(tick)]
    columns = {name: np.array([getattr(tick, name)], dtype=object) for name in names}
    times = np.array([tick.ts_event], np.int64)
    return block_of(type(tick), times, [tick.symbol], np.zeros(1, np.int32), columns)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_tape_without_ticks_is_a_header(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tape{ending}"
    write(path, [])
    with pytest.raises(TapeError, match="no tick in it"):
        read(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failure_leaves_an_older_tape_as_it_was_and_nothing_beside_it(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"tape{ending}"
    path.write_text("older")
    with pytest.raises(TapeError, match="as it would be"):
        write_and_fail(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "older"


def write_and_fail(path: Path) -> None:
    with TapeWriter(path) as tape:
        tape.write(blocks(5_000)[0])
        raise TapeError(path, "as it would be")


def test_until_it_is_whole_a_tape_has_another_name(tmp_path: Path) -> None:
    path = tmp_path / "tape.csv"
    with TapeWriter(path) as tape:
        tape.write(blocks(10)[0])
        assert not path.exists()
        assert [each.name for each in tmp_path.iterdir()] == [".tape.csv.part"]
    assert len(read(path)) == 10


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tape.txt", r"is no name for a tape: must end in \.csv, .*\.parquet, \.pq"),
        ("nowhere/tape.csv", "cannot be written: no such file or directory"),
        ("folder.csv", "cannot be written: it is a folder"),
        ("file/tape.csv", "cannot be written: not a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_error_naming_it(
    tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(TapeError, match=says) as caught, TapeWriter(tmp_path / name):
        pass
    assert caught.value.path == tmp_path / name


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_is_one_error_naming_the_tape(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"tape{ending}"
    (tmp_path / f".tape{ending}.part").symlink_to("/dev/full")
    with pytest.raises(TapeError, match=r"cannot be written: .*no space left"):
        write(path, blocks(300_000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "ending"), [("pyarrow", ".parquet"), ("zstandard", ".csv.zst")]
)
def test_a_missing_package_is_told_with_the_extra_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, ending: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'feed\[tapes\]'"):
        write(tmp_path / f"tape{ending}", [])
    assert list(tmp_path.iterdir()) == []


def test_packed_text_is_the_text(tmp_path: Path) -> None:
    write(tmp_path / "tape.csv", blocks(1_000))
    write(tmp_path / "tape.csv.gz", blocks(1_000))
    assert (
        gzip.decompress((tmp_path / "tape.csv.gz").read_bytes())
        == (tmp_path / "tape.csv").read_bytes()
    )
