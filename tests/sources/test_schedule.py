"""What is due is published, by either schedule; test_pace.py says what that means for a player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.sources.base import BURST_TICKS
from feed.sources.schedule import IN_C, IN_PYTHON, MIN_WAIT_S, Schedule
from feed.tape.block import TickBlock, block_of
from feed.tape.slices import Slice, Slices
from feed.ticks import Trade

Kind = Callable[..., Schedule]
compiled = pytest.mark.skipif(not IN_C, reason="nothing is compiled")
both = pytest.mark.parametrize("kind", [IN_PYTHON] + ([Schedule] if IN_C else []))


def trades(times: list[int]) -> TickBlock:
    columns = {"price": np.ones(len(times))}
    return block_of(
        Trade, np.array(times, np.int64), ["A"], np.zeros(len(times), np.int32), columns
    )


class World:
    """A schedule, what it published, and a clock that is moved."""

    def __init__(self, kind: Kind, times: list[int]) -> None:
        self.now_s = 0.0
        self.passing_s = 0.0
        self.told: list[Any] = []
        self.answer: Any = False
        self.own = kind(self.publish, self.monotonic_s, self.otherwise)
        self.own.open(Slices(trades(times)))

    def monotonic_s(self) -> float:
        self.now_s += self.passing_s
        return self.now_s

    def publish(self, part: Slice) -> Any:
        self.told.append((part.start, part.stop))
        return self.answer

    def otherwise(self) -> float | None:
        self.told.append("otherwise")
        return 0.25

    def play(self) -> tuple[float | None, Any]:
        return self.own.play_due(), (self.own.row, self.own.ticks, self.own.lag_s)


@both
def test_rows_are_published_from_their_times_on(kind: Kind) -> None:
    world = World(kind, [100, 200, 200, 10_000_000, 20_000_000_000])
    world.own.must_heed, world.own.first_ns, world.own.ns_per_s = False, 100, 1e9
    assert world.play() == (MIN_WAIT_S, (1, 1, 0.0))
    assert world.play()[0] == pytest.approx(MIN_WAIT_S)
    world.now_s = 0.00999990001
    assert world.play()[0] == pytest.approx(19.99, abs=0.001)
    assert world.told == [(0, 1), (1, 4)]
    assert world.own.lag_s == pytest.approx(0.00999980001)
    world.passing_s = 1.0
    assert world.play()[0] == pytest.approx(17.99, abs=0.001), "looking took a second of the wait"


@both
def test_there_is_a_rest_even_when_the_next_one_is_due_already(kind: Kind) -> None:
    world = World(kind, [0, 1])
    world.own.must_heed, world.own.ns_per_s = False, 1e9
    assert world.play()[0] == MIN_WAIT_S
    world.now_s = 1.0
    assert world.play()[0] == 0.0, "after the last there is something else to do"


@both
def test_while_there_is_something_to_heed_and_after_the_last_others_play(kind: Kind) -> None:
    world = World(kind, [0])
    assert world.own.must_heed
    assert world.play()[0] == 0.25
    world.own.must_heed = False
    assert world.play()[0] == 0.0
    assert world.play()[0] == 0.25
    assert world.told == ["otherwise", (0, 1), "otherwise"]
    world.own.open(Slices(trades([])))
    assert world.play() == (0.25, (0, 1, 0.0))


@both
def test_what_is_overdue_goes_out_in_bursts_and_whoever_is_behind_is_told_of(kind: Kind) -> None:
    world = World(kind, [0] * (2 * BURST_TICKS + 1))
    world.own.must_heed, world.answer = False, True
    assert [world.play()[0] for _ in range(3)] == [0.0, 0.0, 0.0]
    assert [stop for _, stop in world.told] == [BURST_TICKS, 2 * BURST_TICKS, 2 * BURST_TICKS + 1]
    assert world.own.strained
    world.own.open(Slices(trades([0] * (BURST_TICKS + 1) + [9])))
    assert [world.play()[0] for _ in range(2)] == [0.0, 9.0], "the rest of what is due is next"
    world.own.open(Slices(trades([0])))
    world.answer = None
    assert world.own.publish_until(1) == 1
    assert not world.own.strained


@both
@pytest.mark.parametrize("who", ["publish", "monotonic_s"])
def test_what_others_raise_comes_through(kind: Kind, who: str) -> None:
    def fail(*_: object) -> Any:
        raise KeyError(who)

    parts: dict[str, Any] = {"publish": lambda part: None, "monotonic_s": lambda: 0.0, who: fail}
    own = kind(parts["publish"], parts["monotonic_s"], lambda: 0.0)
    own.open(Slices(trades([0])))
    own.must_heed = False
    with pytest.raises(KeyError, match=who):
        own.play_due()


@both
@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_another_block_may_be_opened_while_a_burst_is_published(kind: Kind, size: int) -> None:
    def publish(part: Slice) -> None:
        own.open(Slices(trades([7] * size)))

    own = kind(publish, lambda: 5.0, lambda: 1.0)
    own.open(Slices(trades(list(range(10)))))
    own.must_heed = False
    assert own.play_due() == 1.0
    assert own.row == 0


@both
def test_times_may_lie_apart_in_memory(kind: Kind) -> None:
    world = World(kind, [])
    world.own.open(Slices(replace(trades([0, 0]), due=np.arange(10, dtype=np.int64)[::5])))
    world.own.must_heed = False
    assert world.play() == (5.0, (1, 1, 0.0))


@both
def test_what_is_very_late_is_told_as_that(kind: Kind) -> None:
    world = World(kind, [-(2**62), 2**62])
    world.own.must_heed, world.own.first_ns, world.own.ns_per_s = False, 2**62, 1e9
    wait_s, (row, _, lag_s) = world.play()
    assert (row, lag_s) == (2, pytest.approx(2**63 / 1e9))
    assert wait_s == 0.0


steps = st.lists(st.integers(0, 2**40), max_size=200)
moves = st.lists(st.floats(0, 1e5), min_size=1, max_size=40)
speeds = st.sampled_from([1e-3, 0.3, 1e9, 3e9, 1e12, 1e200])


@compiled
@given(steps, moves, speeds, st.integers(-(2**62), 2**62), st.booleans())
def test_both_publish_the_same_at_the_same_times(
    gaps: list[int], passing: list[float], ns_per_s: float, first_ns: int, near: bool
) -> None:
    times = np.cumsum([first_ns // 2, *gaps]).tolist()
    worlds = World(IN_PYTHON, times), World(Schedule, times)
    for world in worlds:
        world.own.must_heed, world.own.first_ns = False, times[0] if near else first_ns
        world.own.ns_per_s = ns_per_s
    for pass_s in passing:
        for world in worlds:
            world.now_s += pass_s
        in_python, in_use = (world.play() for world in worlds)
        assert in_python == in_use
    assert worlds[0].told == worlds[1].told


@compiled
def test_what_is_compiled_refuses_what_it_could_not_read() -> None:
    own = World(Schedule, [1, 2]).own
    block: Any = trades([1, 2])
    for times in (np.zeros(2, np.int32), np.zeros(2), np.zeros((2, 2), np.int64), None):
        slices: Any = type("Odd", (), {"block": type("Block", (), {"times": times})})
        with pytest.raises(TypeError):
            own.open(slices)
    for due in (0, -1, 3):
        with pytest.raises(IndexError, match="no such rows"):
            own.publish_until(due)
    with pytest.raises(TypeError):
        own.publish_until("1")  # type: ignore[arg-type]
    assert own.publish_until(2) == 2
    own.open(Slices(block))
    assert own.row == 0
