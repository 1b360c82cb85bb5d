"""Replays: all ticks in order, over and over if asked, and nothing left behind when stopped."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Generator, Sized
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feed.errors import SettingError, TapeError
from feed.sources.base import Publish
from feed.sources.replay import BLOCKS_AHEAD, Replay, read_ahead
from feed.tape.block import TickBlock, block_of
from feed.tape.options import TapeOptions
from feed.tape.reader import AnyTape, Tape, open_tape
from feed.tape.slices import Slice
from feed.ticks import Tick, Trade
from tests.sources.repeating import repeating

S = 1_000_000_000


class FakeTime:
    """A clock that moves only when somebody sleeps; it lets others run meanwhile."""

    now_s = 0.0

    def now_ns(self) -> int:
        return int(self.now_s * 1e9)

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)


class Blocks(Tape):
    """A tape of given blocks that notes how many were read, and by whom."""

    def __init__(self, blocks: list[TickBlock], error: Exception | None = None) -> None:
        super().__init__([], TapeOptions())
        self.given = blocks
        self.error = error
        self.read = 0
        self.readers: set[str] = set()
        self.closed = 0

    def blocks(self) -> Generator[TickBlock, None, None]:
        try:
            for block in self.given:
                self.read += 1
                self.readers.add(threading.current_thread().name)
                yield block
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1


def trades(*seconds: int) -> TickBlock:
    times = np.array(seconds, np.int64) * S
    codes = np.zeros(len(times), np.int32)
    return block_of(Trade, times, ["A"], codes, {"price": np.ones(len(times))})


def tape_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("tape")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Generator[None, None, None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("tape"):  # told to end before run() returned
            thread.join(5)
    assert tape_threads() == []


def replay(tape: AnyTape, **options: Any) -> tuple[Replay, FakeTime]:
    time = FakeTime()
    return Replay(tape, clock=time, repeat=repeating(time.sleep), **options), time


def published_at(source: Replay, time: FakeTime) -> list[tuple[float, int]]:
    """Run to the end and give when each tick was published, and its ts_event in seconds."""
    out: list[tuple[float, int]] = []
    asyncio.run(source.run(lambda b: out.extend((time.now_s, t.ts_event // S) for t in b)))
    return out


def run_until(source: Replay, publish: Publish, out: Sized, count: int) -> None:
    """Run until so many have come out, and stop it then."""

    async def run() -> None:
        enough = asyncio.Event()

        def watched(burst: Slice) -> None:
            publish(burst)
            if len(out) >= count:
                enough.set()

        running = asyncio.create_task(source.run(watched))
        await enough.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(run())


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_a_tape_is_played_at_its_pace_times_the_speed(speed: float) -> None:
    source, time = replay(Blocks([trades(100, 104), trades(104, 112)]), speed=speed)
    out = published_at(source, time)
    assert [second for _, second in out] == [100, 104, 104, 112]
    assert [at * speed for at, _ in out] == pytest.approx([0, 4, 4, 12], abs=0.01)
    assert source.state == "ended"
    assert (source.position.ticks, source.position.ts_event) == (4, 112 * S)


def test_it_is_live_from_the_start_and_tells_what_the_tape_knows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ts_event,symbol,price\n1,A,1\n2,B,1\n")
    source, _ = replay(open_tape([path]), speed=3)
    assert (source.state, source.symbols, source.total) == ("live", frozenset("AB"), 2)
    assert (source.position.ticks, source.position.speed) == (0, 3)


def test_a_loop_starts_over_at_once_with_the_tapes_own_times() -> None:
    tape = Blocks([trades(1), trades(3)])
    source, time = replay(tape, loop=True)
    out: list[tuple[float, int]] = []

    run_until(source, lambda b: out.extend((time.now_s, t.ts_event // S) for t in b), out, 7)
    assert [second for _, second in out[:7]] == [1, 3, 1, 3, 1, 3, 1]
    assert [at for at, _ in out[:7]] == pytest.approx([0, 2, 2, 4, 4, 6, 6], abs=0.01)
    assert source.state == "ended"
    assert source.position.ticks == len(out)


def test_blocks_are_read_by_one_other_thread_and_only_a_few_ahead() -> None:
    tape = Blocks([trades(second) for second in range(50)])

    async def take_two() -> None:
        blocks = read_ahead(tape)
        for _ in range(2):
            await anext(blocks)
        await blocks.aclose()

    asyncio.run(take_two())
    assert 2 <= tape.read <= 2 + BLOCKS_AHEAD
    assert len(tape.readers) == 1
    assert "MainThread" not in tape.readers
    assert tape.closed == 1


def test_stopping_closes_the_tape_before_run_ends() -> None:
    tape = Blocks([trades(second) for second in range(50)])
    source, _ = replay(tape)

    async def stop_at_once() -> None:
        first = asyncio.Event()
        running = asyncio.create_task(source.run(lambda _: first.set()))
        await first.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert tape.closed == 1

    asyncio.run(stop_at_once())
    assert source.state == "ended"


@pytest.mark.parametrize("blocks", [[], [trades(1)], [trades(1)] * 9])
def test_what_is_wrong_with_the_tape_is_raised_after_the_ticks_before_it(
    blocks: list[TickBlock],
) -> None:
    source, _ = replay(Blocks(blocks, TapeError("f.csv", "is broken", row=7)), speed=0)
    out: list[Tick] = []
    with pytest.raises(TapeError, match=r"f\.csv, row 7: is broken"):
        asyncio.run(source.run(out.extend))
    assert len(out) == len(blocks)
    assert source.state == "stalled"


def test_an_error_of_the_receiver_is_not_hidden_and_leaves_no_thread() -> None:
    def refuse(_: Slice) -> None:
        raise ZeroDivisionError

    source, _ = replay(Blocks([trades(1)] * 9))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(source.run(refuse))


def test_skipped_rows_are_warned_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "t.csv"
    path.write_text("ts_event,symbol,price\n1,A,1\n2,A,-1\n3,A,0\n")
    source, _ = replay(open_tape([path], TapeOptions(bad_rows="skip")), name="mine", loop=True)
    ticks: list[Tick] = []

    with caplog.at_level(logging.WARNING):
        run_until(source, ticks.extend, ticks, 3)
    (record,) = caplog.records
    assert record.getMessage().startswith("mine: left out 2 bad rows, the first: ")
    assert "row 2: price must be" in record.getMessage()


@pytest.mark.parametrize("speed", [-1.0, float("nan")])
def test_a_speed_that_is_no_speed_is_refused_before_anything_runs(speed: float) -> None:
    with pytest.raises(SettingError, match="speed must be 0 or more"):
        Replay(Blocks([]), speed=speed)
