from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from feed.errors import TapeError
from feed.tape.options import TapeOptions
from feed.tape.reader import open_tape
from feed.tape.recorded import RecordedTape
from feed.tape.recording import Hole, new_name, note
from feed.tape.segment import GrowingSegment, complete
from feed.ticks import CHANNEL_OF, Bar, Quote, Status, Tick, Trade

BEGAN = 1_767_623_400_000_000_000

TICKS: list[Tick] = [
    Quote("A", 1, 900, 1.0, 100, 2.0, None, BEGAN),
    Trade("B", 1, 901, 1.5, 0.25, BEGAN),
    Bar("A", 1, "1s", 0, 1.0, 2.0, 1.0, 2.0, 0, None, 0, BEGAN + 5, "quotes"),
    Quote("A", 2, 800, 1.1, 0.5, 2.1, 200, BEGAN + 5),
    Bar("B", 1, "1m", 0, 1.0, 2.0, 1.0, 2.0, 300, 1.5, 2, BEGAN + 9),
    Status("B", 1, 902, "halted", None, BEGAN + 9),
    Quote("B", 1, 100, 1.1, 1, 2.1, 200, BEGAN + 7),
]
"""In the order of publishing; event times go back, and so does the clock, once."""


def recorded(folder: Path, ticks: list[Tick] = TICKS, *, whole: bool = True) -> Path:
    segments: dict[type, GrowingSegment] = {}
    for place, tick in enumerate(ticks):
        kind = tick.__class__
        if kind not in segments:
            path = new_name(folder, CHANNEL_OF[kind], "k3f9", tick.ts_out)
            segments[kind] = GrowingSegment(path, kind, "k3f9")
        segments[kind].append([tick], [place])
    for segment in segments.values():
        segment.close()
        if whole:
            complete(segment.path)
    return folder


def unstamped(tick: Tick) -> Tick:
    values = [getattr(tick, name) for name in tick.__struct_fields__]
    copy = tick.__class__(*values)
    copy.seq = copy.ts_out = 0
    return copy


def played(folder: Path, **options: int) -> list[Tick]:
    tape = open_tape([folder], TapeOptions(**options))  # type: ignore[arg-type]
    return [tick for block in tape.blocks() for tick in block.ticks(0, len(block))]


@pytest.mark.parametrize("whole", [True, False])
def test_every_tick_comes_back_in_the_order_of_publishing(tmp_path: Path, whole: bool) -> None:
    recorded(tmp_path, whole=whole)
    assert played(tmp_path) == [unstamped(own) for own in TICKS]


def test_ticks_are_due_when_they_were_published(tmp_path: Path) -> None:
    blocks = list(open_tape([recorded(tmp_path)]).blocks())
    due = np.concatenate([block.times for block in blocks])
    assert (due - BEGAN).tolist() == [0, 0, 5, 5, 9, 9, 7], "a block never goes back, the clock may"
    ts_event = np.concatenate([block.ts_event for block in blocks])
    assert ts_event.tolist() == [own.ts_event for own in TICKS]


def test_start_and_end_are_times_of_publishing(tmp_path: Path) -> None:
    recorded(tmp_path)
    found = played(tmp_path, start_ns=BEGAN + 1, end_ns=BEGAN + 9)
    assert found == [unstamped(own) for own in TICKS[2:4]]
    with pytest.raises(TapeError, match="no tick in this recording"):
        played(tmp_path, start_ns=BEGAN + 100)


def test_what_it_holds_is_known_beforehand(tmp_path: Path) -> None:
    tape = open_tape([recorded(tmp_path)])
    assert isinstance(tape, RecordedTape)
    assert (tape.symbols, tape.rows, tape.has_bars) == (frozenset("AB"), 7, True)
    assert len(tape.files) == 4
    assert open_tape([tmp_path], TapeOptions(start_ns=5)).rows is None


def with_symbols(folder: Path, *names: str | None) -> Path:
    """Record as many quotes, and give the segment its symbols."""
    (path,) = recorded(folder, [Quote("Q", 1, 5, 1.0, 1, 2.0, 1, BEGAN)] * len(names)).rglob("*.p*")
    table = parquet.read_table(path)
    at = table.column_names.index("symbol")
    parquet.write_table(table.set_column(at, "symbol", pa.array(names, pa.string())), path)
    return path


@pytest.mark.parametrize(
    ("name", "told"), [("not a symbol", "was 'not a symbol'"), (None, "symbol is missing")]
)
def test_what_is_no_symbol_is_a_bad_row(name: str | None, told: str, tmp_path: Path) -> None:
    path = with_symbols(tmp_path, "A", name, "B")
    with pytest.raises(TapeError, match=told) as caught:
        played(tmp_path)
    assert (caught.value.path, caught.value.row) == (path, 2)
    tape = open_tape([tmp_path], TapeOptions(bad_rows="skip"))
    for _ in range(2):
        ticks = [tick for block in tape.blocks() for tick in block.ticks(0, len(block))]
        assert [own.symbol for own in ticks] == ["A", "B"]
        assert tape.skipped_rows == 1
        assert told in str(tape.skipped_reasons)
    assert tape.symbols == frozenset("AB")


def test_a_recording_without_a_good_row_says_why(tmp_path: Path) -> None:
    path = with_symbols(tmp_path, "not a symbol")
    tape = open_tape([tmp_path], TapeOptions(bad_rows="skip"))
    assert tape.symbols == frozenset()
    with pytest.raises(TapeError, match=r"no good row in this recording: .*not a symbol") as caught:
        list(tape.blocks())
    assert caught.value.path == path


def test_one_channel_of_it_can_be_played_alone(tmp_path: Path) -> None:
    recorded(tmp_path)
    tape = open_tape([tmp_path / "2026-01-05" / "trades"])
    assert (tape.rows, tape.has_bars) == (1, False)


def test_a_recording_is_not_played_together_with_other_tapes(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("ts_event,symbol,price\n1767623400,A,1\n")
    with pytest.raises(TapeError, match="cannot be played together"):
        open_tape([recorded(tmp_path / "own"), other])


def test_what_is_missing_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorded(tmp_path, whole=False)
    note(tmp_path, Hole(1, 2, 300, "no space left on device"))
    path = next(tmp_path.rglob("trades/*"))
    with path.open("ab") as file:
        file.write(b"\xff\xff\xff\xff torn")
    open_tape([tmp_path])
    assert caplog.messages == [
        f"{path}: left out a torn end, what came before it is played",
        f"{tmp_path}: lacks 300 ticks: no space left on device",
    ]
