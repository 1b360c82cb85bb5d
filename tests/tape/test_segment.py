from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feed.tape import segment
from feed.tape.segment import GrowingSegment, batches, complete
from feed.ticks import Quote, Tick


def quotes(first: int, count: int) -> list[Tick]:
    return [
        Quote("A", seq, 5, 1.0, 100, 2.0, None, 1_000 * seq) for seq in range(first, first + count)
    ]


def grown(path: Path, *counts: int) -> tuple[GrowingSegment, list[int]]:
    """Write batches of so many quotes; gives the segment and its size after each."""
    found = GrowingSegment(path, Quote, "k3f9")
    sizes, first = [], 1
    for count in counts:
        found.append(quotes(first, count), range(first, first + count))
        sizes.append(found.size)
        first += count
    return found, sizes


def read(path: Path) -> tuple[list[int], bool]:
    """Give the seqs of a growing segment, and whether it is torn."""
    seqs: list[int] = []
    source = batches(path)
    while True:
        try:
            seqs += next(source).column("seq").to_pylist()
        except StopIteration as end:
            return seqs, end.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "2026-01-05" / "quotes" / "143000.000000-k3f9.arrow.part"


def test_what_is_written_can_be_read_at_once(path: Path) -> None:
    found, sizes = grown(path, 3, 2)
    assert read(path) == ([1, 2, 3, 4, 5], False)
    assert (found.rows, found.size, path.stat().st_size) == (5, sizes[-1], sizes[-1])
    found.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 4_000))
def test_wherever_it_is_torn_what_is_whole_is_read(path: Path, cut: int) -> None:
    path.unlink(missing_ok=True)
    found, sizes = grown(path, 3, 2, 4)
    found.close()
    size = max(0, sizes[-1] - cut)
    os.truncate(path, size)
    seqs, torn = read(path)
    whole = sum(own <= size for own in sizes)
    assert seqs == list(range(1, 1 + sum((3, 2, 4)[:whole])))
    assert torn == (size not in (0, *sizes))


def test_complete_it_is_parquet_and_the_growing_file_is_gone(path: Path) -> None:
    found, _ = grown(path, 3, 2)
    found.close()
    assert complete(path) is False
    (only,) = path.parent.iterdir()
    assert only.name == "143000.000000-k3f9.parquet"
    table = pyarrow.parquet.read_table(only)
    assert table.column("seq").to_pylist() == [1, 2, 3, 4, 5]
    assert table.column("place").to_pylist() == [1, 2, 3, 4, 5]
    assert set(table.column("epoch").to_pylist()) == {"k3f9"}
    assert pyarrow.parquet.ParquetFile(only).metadata.row_group(0).column(0).compression == "ZSTD"


def test_completing_leaves_a_torn_end_out_and_says_so(path: Path) -> None:
    found, sizes = grown(path, 3, 2)
    found.close()
    os.truncate(path, sizes[-1] - 1)
    assert complete(path) is True
    (only,) = path.parent.iterdir()
    assert pyarrow.parquet.read_table(only).num_rows == 3


@pytest.mark.parametrize("size", [0, 5])
def test_completing_what_has_no_batch_leaves_nothing(path: Path, size: int) -> None:
    found, _ = grown(path, 1)
    found.close()
    os.truncate(path, size)
    complete(path)
    assert list(path.parent.iterdir()) == []


def test_a_segment_without_ticks_leaves_nothing(path: Path) -> None:
    grown(path)[0].close()
    assert list(path.parent.iterdir()) == []


def test_row_groups_gather_small_batches(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "GROUP_ROWS", 4)
    found, _ = grown(path, 2, 2, 2)
    found.close()
    complete(path)
    (only,) = path.parent.iterdir()
    assert pyarrow.parquet.ParquetFile(only).num_row_groups == 2


def test_a_write_that_fails_leaves_the_segment_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, sizes = grown(path, 3)
    real = os.write

    def half(file: int, data: Any) -> int:
        monkeypatch.setattr(os, "write", full)
        return real(file, bytes(data)[: len(data) // 2])

    def full(file: int, data: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        found.append(quotes(4, 2), [4, 5])
    monkeypatch.setattr(os, "write", real)
    assert (found.rows, path.stat().st_size) == (3, sizes[-1])
    found.append(quotes(6, 1), [6])
    found.close()
    assert read(path) == ([1, 2, 3, 6], False)


def test_without_room_to_complete_it_stays_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = grown(path, 3)
    found.close()
    monkeypatch.setattr(os, "fsync", lambda file: os.write(-1, b""))
    with pytest.raises(OSError, match="Bad file"):
        complete(path)
    assert list(path.parent.iterdir()) == [path]
