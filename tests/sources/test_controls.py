"""A source that plays does at once what its controls say, and nothing is lost or repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from feed.alarm import FOREVER_S
from feed.errors import SettingError
from feed.sources.controls import Controls
from feed.sources.replay import Replay
from feed.tape.block import TickBlock, block_of
from feed.tape.options import TapeOptions
from feed.tape.reader import Tape
from feed.tape.slices import Slice
from feed.ticks import Trade
from tests.sources.repeating import repeating

S = 1_000_000_000


def block(*seconds: int) -> TickBlock:
    count = len(seconds)
    times, codes = np.array(seconds, np.int64) * S, np.zeros(count, np.int32)
    return block_of(Trade, times, ["A"], codes, {"price": np.arange(1.0, count + 1)})


class Blocks(Tape):
    """A tape of two blocks, with a tick in each of the seconds 0 to 9."""

    def __init__(self) -> None:
        super().__init__([], TapeOptions())

    def blocks(self) -> Any:
        yield block(0, 1, 2, 3, 4)
        yield block(5, 6, 7, 8, 9)


class Show:
    """A replay, the second of each tick that came out of it, and a clock that it moves itself.

    Args:
        script: by the number of ticks that have come, what is done then.
    """

    def __init__(self, script: dict[int, Callable[[Controls], object]], **options: Any) -> None:
        self.seconds: list[int] = []
        self.at_s: list[float] = []
        self.restarts: list[int] = []
        self.now_s = 0.0
        self.source = Replay(Blocks(), clock=self, repeat=repeating(self.sleep), **options)
        self.controls = self.source.controls
        self.controls.on_arrival(lambda: self.restarts.append(len(self.seconds)))
        self.script = script

    def now_ns(self) -> int:
        return int(self.now_s * S)

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass, and before that whoever is in charge do what the script says."""
        action = self.script.pop(len(self.seconds), None)
        if action is not None and seconds:
            action(self.controls)
            await asyncio.sleep(0)
            return
        if action is not None:
            self.script[len(self.seconds)] = action
        assert seconds < FOREVER_S, "it would be paused for ever"
        self.now_s += seconds
        await asyncio.sleep(0)

    def take(self, ticks: Slice) -> None:
        self.seconds += [tick.ts_event // S for tick in ticks]
        self.at_s += [self.now_s] * len(ticks)

    def run(self) -> list[int]:
        asyncio.run(self.source.run(self.take))
        return self.seconds


def test_without_a_wish_it_plays_on() -> None:
    assert Show({}).run() == list(range(10))


def test_a_pause_holds_the_tape_time_too() -> None:
    def later(show: Show) -> Callable[[Controls], None]:
        def wait(controls: Controls) -> None:
            assert show.source.state == "paused"
            show.now_s += 100
            controls.resume()

        return wait

    show = Show({3: lambda controls: controls.pause()})
    pause = show.script[3]

    def paused(controls: Controls) -> None:
        pause(controls)
        show.script[3] = later(show)

    show.script[3] = paused
    assert show.run() == list(range(10))
    assert show.at_s[2] == 2
    assert show.at_s[3] == pytest.approx(103, abs=0.1)
    assert show.at_s[9] == pytest.approx(109, abs=0.1)


def test_no_speed_is_so_high_that_another_one_could_not_follow_it() -> None:
    show = Show({})

    def slow(controls: Controls) -> None:
        controls.play_at(1)
        controls.resume()

    def hurry(controls: Controls) -> None:
        controls.play_at(1e300)
        show.script[1] = hold

    def hold(controls: Controls) -> None:
        show.now_s += 1e9
        controls.pause()
        show.script[1] = slow

    show.script[1] = hurry
    assert show.run() == list(range(10))


def test_another_speed_counts_from_where_the_tape_is() -> None:
    show = Show({5: lambda controls: controls.play_at(2)})
    assert show.run() == list(range(10))
    assert show.at_s[:5] == [0, 1, 2, 3, 4]
    assert show.at_s[5:] == pytest.approx([4.5, 5, 5.5, 6, 6.5], abs=0.1)
    assert show.source.position.speed == 2


def test_as_fast_as_possible_and_back() -> None:
    show = Show({2: lambda controls: controls.play_at(0)})
    assert show.run() == list(range(10))
    assert show.at_s[2:] == pytest.approx([1] * 8, abs=0.1)


def test_steps_come_at_once_and_it_stays_paused() -> None:
    def step(controls: Controls) -> None:
        controls.step(2)
        show.script[4] = look

    def look(controls: Controls) -> None:
        assert controls.paused
        assert controls.steps == 0
        assert show.seconds == [0, 1, 2, 3]
        controls.step(3)
        show.script[7] = lambda controls: controls.resume()

    show = Show({2: step})
    assert show.run() == list(range(10))
    assert show.at_s[3] == show.at_s[2] == pytest.approx(1, abs=0.1)
    assert show.at_s[7] == pytest.approx(show.at_s[6] + 1, abs=0.1), "from the tick stepped to"


@pytest.mark.parametrize(
    ("target_s", "rest"),
    [(0, [*range(10)]), (3, [*range(3, 10)]), (7, [7, 8, 9]), (-5, [*range(10)]), (99, [])],
)
def test_a_seek_goes_on_from_there_ahead_or_behind(target_s: int, rest: list[int]) -> None:
    show = Show({5: lambda controls: controls.seek(target_s * S)})
    assert show.run() == [0, 1, 2, 3, 4, *rest]
    assert show.restarts == [5]
    assert show.source.position.ticks == 10
    assert show.source.state == "ended"


def test_a_seek_while_paused_stays_paused() -> None:
    def pause(controls: Controls) -> None:
        controls.pause()
        controls.seek(8 * S)
        show.script[2] = lambda controls: controls.step(2)

    show = Show({2: pause})
    assert show.run() == [0, 1, 8, 9]


def test_the_last_of_several_seeks_counts() -> None:
    def twice(controls: Controls) -> None:
        controls.seek(8 * S)
        controls.seek(6 * S)

    show = Show({5: twice})
    assert show.run() == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_after_the_end_it_can_be_sought_back_and_run_again() -> None:
    show = Show({})
    show.run()
    show.controls.seek(8 * S)

    async def again() -> None:
        await show.controls.sought()
        await show.source.run(show.take)
        await show.controls.done()

    asyncio.run(again())
    assert show.seconds[10:] == [8, 9]
    assert show.restarts == [10]


@pytest.mark.parametrize("cancel", [Controls.pause, Controls.resume])
def test_who_waits_for_steps_is_told_when_they_will_not_come(
    cancel: Callable[[Controls], None],
) -> None:
    async def main() -> None:
        controls = Controls(1.0, seekable=True)
        controls.step(5)
        waiting = asyncio.create_task(controls.done())
        await asyncio.sleep(0)
        assert not waiting.done()
        cancel(controls)
        await asyncio.wait_for(waiting, 5)

    asyncio.run(main())


def test_a_seek_is_done_when_it_has_arrived_and_the_steps_after_it_are_too() -> None:
    async def main() -> None:
        controls = Controls(1.0, seekable=True)
        controls.seek(5)
        controls.step(2)
        controls.resume()
        controls.step(3)
        waiting = asyncio.create_task(controls.done())
        for go_on in (controls.take_target, controls.arrive, lambda: controls.stepped(3)):
            await asyncio.sleep(0)
            assert not waiting.done()
            go_on()
        await asyncio.wait_for(waiting, 5)

    asyncio.run(main())


def test_steps_beyond_the_end_are_done() -> None:
    show = Show({8: lambda controls: controls.step(5)})

    async def main() -> None:
        await show.source.run(show.take)
        await show.controls.done()

    asyncio.run(main())
    assert show.seconds == list(range(10))


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf")])
def test_what_is_no_speed_changes_nothing(speed: float) -> None:
    controls = Controls(1.0, seekable=True)
    with pytest.raises(SettingError, match="speed must be 0 or more"):
        controls.play_at(speed)
    assert controls.speed == 1.0
