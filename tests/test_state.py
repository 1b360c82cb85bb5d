from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feed import state as state_module
from feed.errors import StateError
from feed.hub.hub import Hub
from feed.hub.stream import Stream
from feed.hub.tickerplant import Tickerplant
from feed.protocol.codec import tick_of
from feed.state import State
from feed.ticks import Tick
from tests.fakes import FakeClock, quote, trade

LIMIT_BYTES = 1 << 26


class Feed:
    """One run of a feed that keeps its state in a folder."""

    def __init__(self, folder: Path) -> None:
        self.hub = Hub(lambda flush: None)
        self.state = State(folder, LIMIT_BYTES)
        self.plant = Tickerplant(self.hub.index, self._take, FakeClock())
        self.state.restore(self.hub, self.plant)

    def _take(self, ticks: list[Tick], streams: list[Stream]) -> None:
        self.state.append(ticks)
        self.hub.receive(ticks, streams)

    def publish(self, *symbols: str) -> None:
        self.plant.publish([quote(symbol) for symbol in symbols])

    def flush(self) -> None:
        asyncio.run(self.state.flush(self.hub))

    def stop(self) -> None:
        asyncio.run(self.state.close(self.hub))

    def crash(self) -> None:
        os.close(self.state._lock)

    def seqs(self, symbol: str) -> list[int]:
        stream = self.hub.index.find("quotes", symbol)
        return [tick_of(own).seq for own in stream.find(0, stream.held)] if stream else []


def test_after_a_stop_in_good_order_the_numbering_goes_on(tmp_path: Path) -> None:
    first = Feed(tmp_path)
    first.publish("A", "A", "B")
    first.stop()
    second = Feed(tmp_path)
    assert second.plant.epoch == first.plant.epoch
    assert (second.seqs("A"), second.seqs("B")) == ([1, 2], [1])
    second.publish("A")
    assert second.seqs("A") == [1, 2, 3]
    second.crash()


def test_the_statistics_of_the_trading_session_are_restored_too(tmp_path: Path) -> None:
    first = Feed(tmp_path)
    first.plant.publish([trade("A", price=10), trade("A", price=12)])
    first.stop()
    second = Feed(tmp_path)
    assert second.hub.last_values.snapshot("A", []) == first.hub.last_values.snapshot("A", [])
    second.crash()


def test_after_a_crash_a_new_epoch_begins_and_what_was_flushed_is_there(tmp_path: Path) -> None:
    first = Feed(tmp_path)
    first.publish("A", "A")
    first.flush()
    first.publish("A")
    first.crash()
    second = Feed(tmp_path)
    assert second.plant.epoch != first.plant.epoch
    assert second.seqs("A") == [1, 2]
    second.crash()


def test_a_crash_soon_after_a_restart_does_not_bring_the_old_epoch_back(tmp_path: Path) -> None:
    first = Feed(tmp_path)
    first.publish("A")
    first.stop()
    Feed(tmp_path).crash()
    third = Feed(tmp_path)
    assert third.plant.epoch != first.plant.epoch
    third.crash()


def test_a_torn_or_damaged_end_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Feed(tmp_path)
    first.publish("A", "A")
    first.stop()
    [segment] = tmp_path.glob("ticks-*")
    whole = segment.read_bytes()
    segment.write_bytes(whole + b'{"type":"quote","symb')
    second = Feed(tmp_path)
    assert second.plant.epoch != first.plant.epoch
    assert second.seqs("A") == [1, 2]
    assert "torn line" in caplog.text
    second.crash()
    segment.write_bytes(whole + b"garbage\n")
    third = Feed(tmp_path)
    assert "damaged" in caplog.text
    third.crash()


def test_a_crash_costs_one_epoch_even_if_what_it_tore_is_still_there(tmp_path: Path) -> None:
    first = Feed(tmp_path)
    first.publish("A")
    first.flush()
    [segment] = tmp_path.glob("ticks-*")
    segment.write_bytes(segment.read_bytes() + b'{"type":"quote","symb')
    first.crash()
    second = Feed(tmp_path)
    second.publish("A")
    second.stop()
    third = Feed(tmp_path)
    assert third.plant.epoch == second.plant.epoch != first.plant.epoch
    assert third.seqs("A") == [1, 2]
    third.crash()


@pytest.mark.parametrize("left", [0, 1])
def test_ticks_that_went_missing_after_the_stop_begin_a_new_epoch(
    left: int, tmp_path: Path
) -> None:
    first = Feed(tmp_path)
    first.publish("A", "A", "A")
    first.stop()
    [segment] = tmp_path.glob("ticks-*")
    if left:
        segment.write_bytes(segment.read_bytes().splitlines(keepends=True)[0])
    else:
        segment.unlink()
    second = Feed(tmp_path)
    assert second.plant.epoch != first.plant.epoch
    assert len(second.seqs("A")) == left
    second.crash()


def test_old_segments_are_deleted_and_quiet_streams_survive_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "SEGMENT_BYTES", 2_000)
    first = Feed(tmp_path)
    first.state._limit_bytes = 6_000
    first.publish("QUIET")
    for _ in range(40):
        first.publish(*["A"] * 10)
        first.flush()
    first.stop()
    assert sum(path.stat().st_size for path in tmp_path.glob("ticks-*")) < 12_000
    assert not (tmp_path / "ticks-00000001.ndjson").exists()
    second = Feed(tmp_path)
    assert second.seqs("QUIET") == [1]
    assert second.seqs("A")[-1] == 400
    second.crash()


def full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_told_once_and_the_hole_is_not_papered_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = Feed(tmp_path)
    first.publish("A")
    first.flush()

    with monkeypatch.context() as patch:
        patch.setattr(first.state, "_write_now", full_disk)
        for _ in range(2):
            first.publish("A")
            first.flush()
    assert caplog.text.count("no space left") == 1
    first.publish("A")
    first.stop()
    second = Feed(tmp_path)
    assert second.plant.epoch == first.plant.epoch
    assert second.seqs("A") == [4]
    second.publish("A")
    assert second.seqs("A") == [4, 5]
    second.crash()


def test_what_a_full_disk_took_in_part_is_cut_off_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst_then_full(ticks: list[Tick]) -> Iterator[list[Tick]]:
        yield ticks
        full_disk()

    first = Feed(tmp_path)
    first.publish("A")
    first.flush()
    [segment] = tmp_path.glob("ticks-*")
    whole = segment.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(state_module, "_bursts", burst_then_full)
        for _ in range(3):
            first.publish("A")
            first.flush()
    assert list(tmp_path.glob("ticks-*")) == [segment]
    assert segment.read_bytes() == whole
    first.crash()


def test_ticks_that_cannot_be_written_do_not_end_the_keeping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: object) -> list[bytes]:
        raise ValueError("odd data")

    first = Feed(tmp_path)
    first.publish("A")
    first.flush()
    with monkeypatch.context() as patch:
        patch.setattr(state_module, "encode_ticks", fail)
        first.publish("A")
        first.flush()
    assert caplog.messages == [f"state is not kept for now, in {tmp_path}: ValueError: odd data"]
    first.publish("A")
    first.stop()
    second = Feed(tmp_path)
    assert second.plant.epoch == first.plant.epoch
    assert second.seqs("A") == [3]
    second.crash()


def test_a_full_disk_at_the_start_or_the_stop_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = Feed(tmp_path)
    first.publish("A")
    monkeypatch.setattr(State, "_write_meta", full_disk)
    first.stop()
    assert caplog.text.count("no space left") == 1
    with pytest.raises(StateError, match="cannot be used: no space left"):
        Feed(tmp_path)


def test_a_flush_that_is_cancelled_still_writes_everything_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Feed(tmp_path)
    reached, go_on = threading.Event(), threading.Event()
    write_now = first.state._write_now

    def slowly(ticks: list[Tick], begin: list[Tick] | None, fresh: bool) -> None:
        reached.set()
        go_on.wait()
        write_now(ticks, begin, fresh)

    async def stop_while_flushing() -> None:
        flushing = asyncio.create_task(first.state.flush(first.hub))
        await asyncio.to_thread(reached.wait)
        flushing.cancel()
        await asyncio.wait([flushing])
        first.publish("A")
        closing = asyncio.create_task(first.state.close(first.hub))
        await asyncio.sleep(0)
        assert not closing.done()
        go_on.set()
        await closing

    monkeypatch.setattr(first.state, "_write_now", slowly)
    first.publish("A", "A")
    asyncio.run(stop_while_flushing())
    second = Feed(tmp_path)
    assert second.plant.epoch == first.plant.epoch
    assert second.seqs("A") == [1, 2, 3]
    second.crash()


def test_ticks_left_out_while_a_write_goes_on_are_made_up_for_by_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "BUFFER_TICKS", 2)
    first = Feed(tmp_path)

    async def fall_behind_while_flushing() -> None:
        flushing = asyncio.create_task(first.state.flush(first.hub))
        await asyncio.sleep(0)
        first.publish("A", "A")
        first.publish("A")  # there is no room for it
        await flushing

    first.publish("A")
    asyncio.run(fall_behind_while_flushing())
    first.stop()
    second = Feed(tmp_path)
    assert second.plant.epoch == first.plant.epoch
    assert second.seqs("A")[-1] == 4
    second.crash()


def test_one_folder_serves_one_feed_at_a_time(tmp_path: Path) -> None:
    first = Feed(tmp_path)
    with pytest.raises(StateError, match="is used by another feed"):
        Feed(tmp_path)
    first.crash()


@pytest.mark.parametrize(
    ("make", "told"),
    [(lambda path: path.write_text(""), "cannot be used: "), (lambda path: None, None)],
)
def test_a_folder_is_made_unless_something_is_in_its_place(
    make: Callable[[Path], object], told: str | None, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    make(folder)
    if told is None:
        Feed(folder).crash()
        assert folder.is_dir()
    else:
        with pytest.raises(StateError, match=told):
            Feed(folder)


def test_a_new_numbering_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    first = Feed(tmp_path)
    first.publish("A", "A", "B")
    first.flush()
    first.publish("A")
    first.hub.restart("A")
    first.plant.epoch = "another"
    first.state.restart("another")
    first.publish("A", "A")
    first.stop()
    second = Feed(tmp_path)
    assert second.plant.epoch == "another"
    assert second.seqs("A")[-1] == 2
    assert second.seqs("B")[-1] == 1, "of another source: the checkpoint has its newest"
