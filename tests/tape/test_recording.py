from __future__ import annotations

import os
from pathlib import Path

import pytest

from feed.errors import TapeError
from feed.tape import recording
from feed.tape.recording import (
    Hole,
    holes,
    new_name,
    note,
    recover,
    segment_at,
    segments_at,
    segments_under,
)
from feed.tape.segment import GrowingSegment, complete
from feed.ticks import Quote, Tick

NS = 1_000_000_000
BEGAN = 1_767_623_400 * NS  # 2026-01-05T14:30:00Z


def quote(symbol: str, seq: int) -> Tick:
    return Quote(symbol, seq, seq, 1.0, 100, 2.0, 100, BEGAN + seq)


def written(folder: Path, *ticks: Tick, epoch: str = "k3f9", whole: bool = True) -> Path:
    """Write one segment of quotes."""
    path = new_name(folder, "quotes", epoch, ticks[0].ts_out)
    segment = GrowingSegment(path, Quote, epoch)
    for place, tick in enumerate(ticks):
        segment.append([tick], [place])
    segment.close()
    if whole:
        complete(path)
        return path.with_name(path.name.replace(".arrow.part", ".parquet"))
    return path


def test_a_name_tells_date_channel_time_and_epoch(tmp_path: Path) -> None:
    path = new_name(tmp_path, "trades", "k3f9", BEGAN + 1_234_567)
    assert path == tmp_path / "2026-01-05" / "trades" / "143000.001234-k3f9.arrow.part"
    found = segment_at(path)
    assert found is not None
    assert (found.began, found.channel) == ("2026-01-05/143000.001234-k3f9", "trades")
    assert (found.epoch, found.grows) == ("k3f9", True)


def test_a_name_that_is_taken_is_not_given_again(tmp_path: Path) -> None:
    paths = [written(tmp_path, quote("A", 1), whole=whole) for whole in (True, False, True)]
    assert [path.name[:13] for path in paths] == ["143000.000000", "143000.000001", "143000.000002"]


@pytest.mark.parametrize(
    "name",
    [
        "quotes/143000.000000-k3f9.parquet",
        "2026-01-05/books/143000.000000-k3f9.parquet",
        "2026-01-05/quotes/ticks.parquet",
        "2026-01-05/quotes/143000.000000-k3f9.csv",
        "2026-01-05/quotes/.143000.000000-k3f9.parquet.draft",
    ],
)
def test_another_name_is_no_segment(tmp_path: Path, name: str) -> None:
    assert segment_at(tmp_path / name) is None


def test_segments_come_in_order_of_time(tmp_path: Path) -> None:
    late = written(tmp_path, quote("A", 5 * NS))
    early = written(tmp_path, quote("A", 1), whole=False)
    assert [own.path for own in segments_under(tmp_path)] == [early, late]
    assert segments_under(tmp_path, "trades") == []


def test_a_recording_is_found_by_any_of_its_folders(tmp_path: Path) -> None:
    path = written(tmp_path, quote("A", 1))
    for place in (tmp_path, path.parent.parent, path.parent, path):
        assert [own.path for own in segments_at(place)] == [path]
    assert segments_at(tmp_path / "nosuch") == []


@pytest.mark.parametrize("whole", [True, False])
def test_ticks_of_a_symbol_are_read_from_a_seq_on(tmp_path: Path, whole: bool) -> None:
    ticks = [quote("A", 1), quote("B", 1), quote("A", 2), quote("A", 3)]
    written(tmp_path, *ticks, whole=whole)
    (found,) = segments_under(tmp_path)
    assert [own for chunk in found.read("A") for own in chunk] == [ticks[0], *ticks[2:]]
    assert [own.seq for chunk in found.read("A", 2) for own in chunk] == [2, 3]
    assert list(found.read("C")) == []
    assert (found.rows, found.first_place) == (4, 0)


def test_row_groups_that_lie_below_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("feed.tape.segment.GROUP_ROWS", 2)
    written(tmp_path, *(quote("A", seq) for seq in range(1, 7)))
    (found,) = segments_under(tmp_path)

    def rows(**least: int) -> int:
        return sum(own.num_rows for own in found.batches(least=least))

    assert rows(seq=1) == 6
    assert rows(seq=3) == 4
    assert rows(ts_event=5) == 2
    assert rows(seq=99) == 0


def test_a_segment_that_is_completed_while_it_is_read_is_still_found(tmp_path: Path) -> None:
    path = written(tmp_path, quote("A", 1), whole=False)
    (found,) = segments_under(tmp_path)
    complete(path)
    assert [own.seq for chunk in found.read("A") for own in chunk] == [1]


def test_a_segment_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    path = written(tmp_path, quote("A", 1), whole=False)
    growing = path.read_bytes()
    complete(path)
    path.write_bytes(growing)
    (found,) = segments_under(tmp_path)
    assert not found.grows
    recover(tmp_path)
    assert list(path.parent.iterdir()) == [found.path]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, quote("A", 1))
    path.write_bytes(b"PAR1 and no more")
    (found,) = segments_under(tmp_path)
    with pytest.raises(TapeError, match=path.name):
        list(found.read("A"))


def test_what_was_left_behind_is_completed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, quote("A", 1), quote("A", 2), whole=False)
    os.truncate(path, path.stat().st_size - 3)
    (found,) = segments_under(tmp_path)
    assert found.is_torn
    recover(tmp_path)
    (found,) = segments_under(tmp_path)
    assert (found.grows, found.rows) == (False, 1)
    (line,) = caplog.messages
    assert line == f"{path}: left out a torn end, what came before it is kept"


def test_what_cannot_be_completed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, quote("A", 1), whole=False)

    def full(path: Path) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording, "complete", full)
    recover(tmp_path)
    assert [own.path for own in segments_under(tmp_path)] == [path]
    assert "stays as it is: no space left on device" in caplog.text


def test_holes_are_read_as_they_were_written_down(tmp_path: Path) -> None:
    assert holes(tmp_path) == []
    found = [Hole(1, 2, 3, "no space left on device"), Hole(4, 5, 6, "other")]
    for hole in found:
        note(tmp_path, hole)
    assert holes(tmp_path) == found


def test_damaged_holes_are_named(tmp_path: Path) -> None:
    (tmp_path / recording.HOLES).write_text("{}\n")
    with pytest.raises(TapeError, match=recording.HOLES):
        holes(tmp_path)
