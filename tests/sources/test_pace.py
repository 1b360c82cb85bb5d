"""Pacing: never early, never lost, in order, whatever the wake-ups do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.errors import SettingError
from feed.sources.base import BURST_TICKS
from feed.sources.pace import Pacer
from feed.sources.schedule import MIN_WAIT_S
from feed.tape.block import TickBlock, block_of
from feed.tape.slices import Slice
from feed.ticks import Tick, Trade
from tests.sources.repeating import repeating

MS = 1_000_000


class FakeTime:
    """A clock that moves only when somebody sleeps, and then by as much too far as told."""

    def __init__(self, start_s: float = 0.0, oversleep_s: Iterator[float] | None = None) -> None:
        self.now_s = start_s
        self.sleeps: list[float] = []
        self._oversleep_s = oversleep_s

    def now_ns(self) -> int:
        return int(self.now_s * 1e9)

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        late_s = next(self._oversleep_s, 0.0) if self._oversleep_s else 0.0
        self.now_s += seconds + late_s


def trades(times_ns: list[int]) -> TickBlock:
    prices = np.arange(1.0, len(times_ns) + 1)
    codes = np.zeros(len(times_ns), np.int32)
    return block_of(Trade, np.array(times_ns, np.int64), ["A"], codes, {"price": prices})


def play(blocks: list[TickBlock], time: FakeTime, speed: float) -> list[tuple[float, Tick]]:
    """Play the blocks and give each tick with the time it was published at."""
    out: list[tuple[float, Tick]] = []
    pacer = Pacer(
        lambda burst: out.extend((time.now_s, tick) for tick in burst),
        speed=speed,
        clock=time,
        repeat=repeating(time.sleep),
    )

    async def run() -> None:
        for block in blocks:
            await pacer.play(block)

    asyncio.run(run())
    return out


def event_times(out: list[tuple[float, Tick]]) -> list[int]:
    return [tick.ts_event for _, tick in out]


steps_ns = st.lists(st.integers(0, 5_000 * MS), min_size=1, max_size=60)
jitters_s = st.lists(st.floats(0, 3.0), max_size=200)


@given(steps_ns, jitters_s, st.sampled_from([0.5, 1.0, 3.0, 10.0, 1e6]), st.integers(0, 60))
def test_ticks_are_never_early_keep_their_order_and_none_is_lost(
    steps: list[int], jitter: list[float], speed: float, split: int
) -> None:
    times = (np.cumsum(steps) + 1_600_000_000 * 1_000 * MS).tolist()
    time = FakeTime(5_000.0, iter(jitter))
    out = play([trades(times[:split]), trades(times[split:])], time, speed)
    assert event_times(out) == times
    assert [tick.price for _, tick in out if isinstance(tick, Trade)] == [
        *(i + 1.0 for i in range(len(times[:split]))),
        *(i + 1.0 for i in range(len(times[split:]))),
    ]
    for at_s, tick in out:
        assert (at_s - 5_000.0) * speed >= (tick.ts_event - times[0]) / 1e9 - 1e-6


@pytest.mark.parametrize("speed", [1.0, 7.0, 100.0])
def test_a_steady_clock_is_kept_to_a_millisecond_over_ten_hours(speed: float) -> None:
    times = [second * 1_000 * MS for second in range(0, 36_000, 7)]
    out = play([trades(times)], FakeTime(123.0), speed)
    for at_s, tick in out:
        assert -1e-9 <= at_s - 123.0 - tick.ts_event / 1e9 / speed < 0.0021


def test_oversleeping_does_not_add_up() -> None:
    late = iter([0.02] * 10_000)
    out = play([trades([i * 10 * MS for i in range(10_000)])], FakeTime(0.0, late), 1.0)
    assert out[-1][0] < 99.99 + 0.06


def test_overdue_ticks_go_out_at_once_in_bursts_that_let_others_run() -> None:
    times = [0] + [1 * MS] * (BURST_TICKS * 2 + 5)
    time = FakeTime()
    bursts: list[int] = []
    pacer = Pacer(
        lambda burst: bursts.append(len(burst)), speed=1, clock=time, repeat=repeating(time.sleep)
    )
    asyncio.run(pacer.play(trades(times)))
    assert bursts == [1, BURST_TICKS, BURST_TICKS, 5]
    assert time.sleeps == [0.001, 0, 0, 0]


def test_ticks_that_come_due_while_others_go_out_wait_for_the_next_burst() -> None:
    time, bursts = FakeTime(), list[int]()

    def publish(burst: Slice) -> None:
        bursts.append(len(burst))
        time.now_s += 0.0004

    pacer = Pacer(publish, speed=1, clock=time, repeat=repeating(time.sleep))
    asyncio.run(pacer.play(trades([i * MS // 10 for i in range(100)])))
    assert len(bursts) < 12
    assert max(time.sleeps) == MIN_WAIT_S


def test_speed_0_never_waits_but_yields_after_every_burst() -> None:
    time = FakeTime()
    out = play([trades([i * 1_000 * MS for i in range(BURST_TICKS + 1)])], time, 0)
    assert len(out) == BURST_TICKS + 1
    assert time.sleeps == [0, 0]


@pytest.mark.parametrize("behind", [True, False])
def test_as_fast_as_possible_rests_while_somebody_is_behind(behind: bool) -> None:
    time = FakeTime()
    pacer = Pacer(lambda _: behind, speed=0.0, clock=time, repeat=repeating(time.sleep))
    asyncio.run(pacer.play(trades(list(range(2 * BURST_TICKS + 1)))))
    assert time.sleeps == [MIN_WAIT_S if behind else 0.0] * 3


def test_a_huge_speed_does_not_overflow() -> None:
    late = iter([1e6, 1e6])
    assert len(play([trades([0, 2**62]), trades([2**62 + 1])], FakeTime(0, late), 1e300)) == 3


def test_an_empty_block_is_played() -> None:
    assert event_times(play([trades([]), trades([5])], FakeTime(), 1.0)) == [5]


def test_after_a_restart_the_next_tick_is_due_at_once() -> None:
    time = FakeTime()
    seen: list[float] = []
    pacer = Pacer(
        lambda _: seen.append(time.now_s), speed=1, clock=time, repeat=repeating(time.sleep)
    )

    async def twice() -> None:
        await pacer.play(trades([0, 1_000 * MS]))
        pacer.restart()
        await pacer.play(trades([0, 1_000 * MS]))

    asyncio.run(twice())
    assert seen == pytest.approx([0, 1, 1, 2])


def test_the_position_tells_tape_time_count_and_speed() -> None:
    time = FakeTime()
    pacer = Pacer(lambda _: None, speed=2, clock=time, repeat=repeating(time.sleep))
    assert (pacer.position.ts_event, pacer.position.ticks) == (None, 0)
    asyncio.run(pacer.play(trades([7, 7 + MS])))
    assert pacer.position.ts_event == 7 + MS
    assert (pacer.position.ticks, pacer.position.speed) == (2, 2)


def test_between_two_blocks_the_position_is_that_of_the_last_tick() -> None:
    time, seen = FakeTime(), list[int | None]()

    async def sleep(seconds: float) -> None:
        seen.append(pacer.position.ts_event)
        await time.sleep(seconds)

    pacer = Pacer(lambda _: None, speed=1, clock=time, repeat=repeating(sleep))

    async def both() -> None:
        await pacer.play(trades([0]))
        await pacer.play(trades([1_000 * MS]))

    asyncio.run(both())
    assert seen == [0, 0, 1_000 * MS]
    pacer.restart(ticks=5)
    assert (pacer.position.ts_event, pacer.position.ticks) == (None, 5)


@pytest.mark.parametrize("speed", [-1.0, float("nan"), float("inf")])
def test_a_speed_that_is_no_speed_is_refused(speed: float) -> None:
    with pytest.raises(SettingError, match=r"speed must be 0 or more, was .*0 means as fast"):
        Pacer(lambda _: None, speed=speed, clock=FakeTime())
