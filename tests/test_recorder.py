from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from feed import recorder as module
from feed.errors import MissingExtraError, RecordError
from feed.recorder import Recorder
from feed.tape.recording import Hole, holes, segments_under
from feed.tape.segment import GrowingSegment
from feed.ticks import Quote, Tick, Trade
from tests.server.local import eventually

NOON = 1_767_614_400_000_000_000  # 2026-01-05T12:00:00Z
DAY = 86_400_000_000_000


def burst(first: int, count: int, ts_out: int = NOON) -> list[Tick]:
    return [
        Quote("A", seq, 5, 1.0, 100, 2.0, 100, ts_out + seq) for seq in range(first, first + count)
    ]


@asynccontextmanager
async def recording(folder: Path, epoch: str = "k3f9", **options: Any) -> AsyncIterator[Recorder]:
    found = Recorder(folder, lambda: epoch, **options)
    yield found
    await found.close()


def seqs(folder: Path, channel: str = "quotes") -> list[int]:
    segments = segments_under(folder, channel)
    return [own.seq for segment in segments for ticks in segment.read("A") for own in ticks]


def test_what_was_taken_is_there_after_a_flush_and_complete_after_the_close(tmp_path: Path) -> None:
    async def record() -> None:
        async with recording(tmp_path) as own:
            own.append(burst(1, 3))
            own.append([Trade("A", 1, 5, 1.0, 1, NOON)])
            assert (own.queued, seqs(tmp_path)) == (4, [])
            await own.flush()
            assert (own.queued, seqs(tmp_path)) == (0, [1, 2, 3])
            assert (own.done.ticks, own.done.missing, own.done.bytes > 0) == (4, 0, True)
            own.append(burst(4, 1))

    asyncio.run(record())
    assert seqs(tmp_path) == [1, 2, 3, 4]
    assert seqs(tmp_path, "trades") == [1]
    assert {own.path.suffix for own in segments_under(tmp_path)} == {".parquet"}


def test_running_it_flushes_by_itself(tmp_path: Path) -> None:
    async def record() -> None:
        async with recording(tmp_path, flush_interval_s=0.01) as own:
            running = asyncio.create_task(own.run())
            for first in (1, 2):
                own.append(burst(first, 1))
                await eventually(lambda: own.done.ticks == first)  # noqa: B023
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(record())
    assert seqs(tmp_path) == [1, 2]


def test_much_that_has_come_is_written_before_the_interval_is_over(tmp_path: Path) -> None:
    async def record() -> None:
        async with recording(tmp_path, flush_interval_s=3600, queue_ticks=40) as own:
            running = asyncio.create_task(own.run())
            own.append(burst(1, 11))
            await eventually(lambda: not own.queued)
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(record())


@pytest.mark.parametrize(
    ("times", "epochs", "segments"),
    [
        ([NOON, NOON + DAY], ["a", "a"], 2),
        ([NOON, NOON], ["a", "b"], 2),
        ([NOON, NOON], ["a", "a"], 1),
    ],
)
def test_a_segment_is_of_one_date_and_one_epoch(
    tmp_path: Path, times: list[int], epochs: list[str], segments: int
) -> None:
    async def record() -> None:
        epoch = iter(epochs)
        own = Recorder(tmp_path, lambda: next(epoch))
        for first, ts_out in zip((1, 10), times, strict=True):
            own.append(burst(first, 1, ts_out))
        await own.close()

    asyncio.run(record())
    found = segments_under(tmp_path)
    assert len(found) == segments
    assert [own.epoch for own in found][-1] == epochs[-1]


def test_a_segment_grows_no_longer_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1)

    async def record() -> None:
        async with recording(tmp_path, rotate_s=1e6) as own:
            for first in (1, 2, 3):
                own.append(burst(first, 1, NOON + first * 1_000_000))
                await own.flush()
                assert not any(segment.grows for segment in segments_under(tmp_path))

    asyncio.run(record())
    assert len(segments_under(tmp_path)) == 3


@pytest.mark.parametrize(
    ("place", "error", "told"),
    [
        (
            "feed.tape.segment.GrowingSegment.close",
            OSError(5, "Input/output error"),
            ": input/output error",
        ),
        (
            "feed.tape.recording.complete",
            OSError(28, "No space left on device"),
            " stays as it is: no space left on device",
        ),
        ("feed.tape.recording.complete", ValueError("odd data"), " stays as it is"),
    ],
)
def test_a_segment_that_cannot_be_completed_stays_and_the_next_one_begins(
    place: str,
    error: Exception,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: object) -> None:
        raise error

    async def record() -> None:
        async with recording(tmp_path, flush_interval_s=0.01) as own:
            running = asyncio.create_task(own.run())
            with monkeypatch.context() as patch:
                patch.setattr(module, "SEGMENT_BYTES", 1)
                patch.setattr(place, fail)
                for first in (1, 2):
                    own.append(burst(first, 1, NOON + first * 1_000_000))
                    await eventually(lambda: own.done.ticks == first)  # noqa: B023
                    await own.flush()
            assert not running.done()
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(record())
    assert seqs(tmp_path) == [1, 2]
    assert holes(tmp_path) == []
    assert [own.partition(".arrow.part")[2] for own in caplog.messages] == [told, told]


def test_what_does_not_fit_the_queue_is_a_hole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def record() -> None:
        async with recording(tmp_path, queue_ticks=5) as own:
            own.append(burst(1, 4))
            own.append(burst(5, 2))
            own.append(burst(7, 3))
            own.append(burst(10, 1))
            assert (own.queued, own.done.missing) == (5, 5)

    asyncio.run(record())
    assert seqs(tmp_path) == [1, 2, 3, 4, 10]
    assert holes(tmp_path) == [Hole(NOON + 5, NOON + 9, 5, "the disk is slower than the feed")]
    assert [own.levelname for own in caplog.records] == ["ERROR", "WARNING"]


def no_space(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let every write fail until the function that is given is called."""
    room = {"left": False}
    real, found = os.write, os.statvfs("/")

    def write(file: int, data: Any) -> int:
        if not room["left"]:
            raise OSError(28, "No space left on device")
        return real(file, data)

    def statvfs(path: Any) -> Any:
        free = found.f_bavail if room["left"] else 0
        return os.statvfs_result((*found[:4], free, *found[5:]))

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "statvfs", statvfs)
    return lambda: room.update(left=True)


def test_a_full_disk_is_told_once_and_the_recording_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def record() -> None:
        async with recording(tmp_path) as own:
            own.append(burst(1, 2))
            await own.flush()
            make_room = no_space(monkeypatch)
            for first in (3, 5, 7):
                own.append(burst(first, 2))
                await own.flush()
                assert own.done.stopped
            assert own.done.missing == 6
            make_room()
            own.append(burst(9, 2))
            await own.flush()
            assert not own.done.stopped

    asyncio.run(record())
    assert seqs(tmp_path) == [1, 2, 9, 10]
    assert holes(tmp_path) == [Hole(NOON + 3, NOON + 8, 6, "no space left on device")]
    assert caplog.messages == [
        f"recording lacks ticks: no space left on device ({tmp_path})",
        f"recording goes on, 6 ticks are missing ({tmp_path})",
    ]


def test_a_channel_that_would_still_fit_does_not_make_it_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = os.write

    def write(file: int, data: Any) -> int:
        if len(data) > 3_000:
            raise OSError(28, "No space left on device")
        return real(file, data)

    async def record() -> None:
        async with recording(tmp_path) as own:
            no_space(monkeypatch)
            monkeypatch.setattr(os, "write", write)
            own.append([*burst(1, 900), Trade("A", 1, 5, 1.0, 1, NOON)])
            await own.flush()
            assert (own.done.stopped, own.done.missing) == (True, 901)

    asyncio.run(record())
    assert len(caplog.messages) == 1


def test_ticks_that_cannot_be_written_are_left_out_and_the_next_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def record() -> None:
        async with recording(tmp_path) as own:
            own.append([Quote("A", 1, 2**70, 1.0, 100, 2.0, 100, NOON)])
            await own.flush()
            own.append(burst(2, 1))

    asyncio.run(record())
    assert seqs(tmp_path) == [2]
    (hole,) = holes(tmp_path)
    assert hole.reason.startswith("they could not be written: ")
    assert "recording failed" in caplog.text


def test_a_disk_that_stays_full_ends_in_peace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def record() -> None:
        async with recording(tmp_path) as own:
            no_space(monkeypatch)
            own.append(burst(1, 2))
            await own.flush()

    asyncio.run(record())
    assert seqs(tmp_path) == []


def test_a_folder_belongs_to_one_recorder_at_a_time(tmp_path: Path) -> None:
    async def record() -> None:
        async with recording(tmp_path):
            with pytest.raises(RecordError, match="is recorded into by another feed"):
                Recorder(tmp_path, lambda: "b")
        Recorder(tmp_path, lambda: "b")

    asyncio.run(record())


def test_a_folder_that_cannot_be_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="file, cannot be used: file exists"):
        Recorder(tmp_path / "file", lambda: "a")


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"feed\[tapes\]"):
        Recorder(tmp_path, lambda: "a")


def test_what_a_killed_recorder_left_is_completed_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "2026-01-05" / "quotes" / "120000.000000-old.arrow.part"
    GrowingSegment(path, Quote, "old").append(burst(1, 2), [1, 2])
    Recorder(tmp_path, lambda: "a")
    (found,) = segments_under(tmp_path)
    assert (found.grows, found.rows) == (False, 2)


def test_places_go_on_from_one_recorder_to_the_next(tmp_path: Path) -> None:
    async def record(first: int) -> None:
        async with recording(tmp_path, epoch=f"e{first}") as own:
            own.append(burst(first, 2, NOON + first * 1_000_000))

    for first in (1, 3):
        asyncio.run(record(first))
    places = [
        place
        for segment in segments_under(tmp_path)
        for batch in segment.batches()
        for place in batch.column("place").to_pylist()
    ]
    assert places == sorted(set(places))


def test_a_clock_that_was_set_back_between_recorders_turns_nothing_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def record(first: int, now_ns: int, *, killed: bool) -> None:
        monkeypatch.setattr("time.time_ns", lambda: now_ns)
        own = Recorder(tmp_path, lambda: f"e{first}")
        for seq in (first, first + 1):
            own.append(burst(seq, 1, now_ns))
            await own.flush()
        if killed:
            os.close(own._lock)
        else:
            await own.close()

    for number in range(4):
        asyncio.run(record(1 + 2 * number, NOON - number * 1_000_000, killed=number == 1))
    rows = [
        row
        for segment in segments_under(tmp_path)
        for batch in segment.batches()
        for row in batch.select(["place", "seq"]).to_pylist()
    ]
    assert [row["seq"] for row in sorted(rows, key=lambda row: row["place"])] == [*range(1, 9)]
    assert len({row["place"] for row in rows}) == 8


def test_a_flush_that_is_cancelled_is_carried_out(tmp_path: Path) -> None:
    async def record() -> None:
        async with recording(tmp_path) as own:
            own.append(burst(1, 5))
            flushing = asyncio.create_task(own.flush())
            await asyncio.sleep(0)
            flushing.cancel()
            await asyncio.wait([flushing])
            assert own.queued == 0

    asyncio.run(record())
    assert seqs(tmp_path) == [1, 2, 3, 4, 5]
