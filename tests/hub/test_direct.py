"""A burst goes the direct way only where it may; test_intake.py compares the ways."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from feed.hub import path
from feed.hub.bars import SECOND_NS, BarBuilder
from feed.hub.cohort import Member, Segment
from feed.hub.direct import IN_PYTHON, Direct
from feed.hub.hub import Hub
from feed.hub.rows import rows_of
from feed.sessions.expiry import Expiries
from feed.tape.block import TickBlock, block_of
from feed.tape.slices import Slice, Slices
from feed.ticks import Trade
from tests.hub.test_intake import Listener

Kind = Callable[..., Direct]
both = pytest.mark.parametrize("kind", [IN_PYTHON] + ([Direct] if path.IN_C else []))


def trades(*seconds: float) -> TickBlock:
    times = (np.array(seconds) * SECOND_NS).astype(np.int64)
    return block_of(Trade, times, ["A"], np.zeros(len(times), np.int32), {"price": times / 1e9})


class World:
    """A hub, the direct way into it, and what went otherwise."""

    def __init__(self, kind: Kind, most: int = 3) -> None:
        self.hub = Hub(lambda flush: None)
        self.ends = Expiries()
        self.others: list[tuple[int, int]] = []
        self.bars = BarBuilder()
        self.bars.extend(trades(0.05).ticks(0, 1))
        self.slices = Slices(trades(0.1, 0.2, 0.3, 0.4, 1.1))
        self.rows = rows_of(self.slices.block, self.hub.index, self.hub.last_values, self.bars)
        self.own = kind(most, self.hub, lambda: 7, self.ends, self.otherwise)

    def otherwise(self, part: Slice) -> bool:
        self.others.append((part.start, part.stop))
        return True

    def send(self, start: int, stop: int, slices: Slices | None = None) -> bool:
        return self.own.send(Slice(slices or self.slices, start, stop))


@both
def test_a_small_burst_is_published_and_counted(kind: Kind) -> None:
    world = World(kind)
    world.own.open(world.slices, world.rows)
    assert world.send(0, 1) is False
    assert world.send(1, 4) is False
    assert world.others == []
    stream = world.hub.index.find("trades", "A")
    assert stream is not None
    assert stream.last is not None
    assert (stream.seq, stream.last.ts_out, stream.last.ts_event) == (4, 7, 4 * SECOND_NS // 10)
    metrics = world.hub.metrics
    assert (metrics.ticks_in, metrics.encodings, metrics.bytes_out) == (4, 0, 0)
    assert (sum(metrics.fan_out.counts), sum(metrics.flush.counts)) == (2, 2)
    assert not world.hub.strained


@both
def test_what_may_not_go_this_way_goes_otherwise(kind: Kind) -> None:
    world = World(kind)
    assert world.send(0, 1) is True, "no block is open"
    world.own.open(world.slices, world.rows)
    world.send(0, 4)
    world.send(0, 1, Slices(world.slices.block))
    cohort: Any = "somebody"
    world.hub.owed.append(cohort)
    world.send(0, 1)
    world.hub.owed.clear()
    world.ends.next_ns = 7
    world.send(0, 1)
    world.ends.next_ns = 8
    world.send(4, 5)  # it closes a bar
    assert world.others == [(0, 1), (0, 4), (0, 1), (0, 1), (0, 1), (4, 5)]
    assert world.hub.metrics.ticks_in == 0
    assert world.send(0, 3) is False
    world.own.open(world.slices, None)
    assert world.send(3, 4) is True


@both
def test_what_others_raise_comes_through(kind: Kind) -> None:
    world = World(kind)

    def fail(*_: object) -> Any:
        raise KeyError("no time")

    own = kind(3, world.hub, fail, world.ends, fail)
    with pytest.raises(KeyError, match="no time"):
        own.send(Slice(world.slices, 0, 1))
    own.open(world.slices, world.rows)
    with pytest.raises(KeyError, match="no time"):
        own.send(Slice(world.slices, 0, 1))
    odd: Any = "no slice"
    with pytest.raises(AttributeError):
        own.send(odd)


class Short(Listener):
    """Takes three bytes, and may leave and have all else flushed when it falls behind."""

    def __init__(self, hub: Hub, *, leaves: bool) -> None:
        super().__init__(hub)
        self.room = 3
        self._hub, self._leaves = hub, leaves

    def fall_behind(self, segment: Segment, sent: int) -> None:
        if self._leaves:
            [cohort] = [own for own in self._hub.index.cohorts if own.members]
            cohort.leave(cast(Member, self))
            self._hub.flush()

    def offer(self, segment: Segment) -> None:
        raise AssertionError("it was told when it fell behind")


@both
@pytest.mark.parametrize("leaves", [True, False])
def test_whoever_took_less_is_left_to_the_hub(kind: Kind, leaves: bool) -> None:
    world = World(kind)
    Short(world.hub, leaves=leaves)
    world.own.open(world.slices, world.rows)
    assert world.send(0, 2) is world.hub.strained is not leaves
    metrics = world.hub.metrics
    assert (metrics.encodings, metrics.ticks_out["trades"]) == (2, 2)
    assert not world.hub.owed


@both
def test_it_is_gone_when_nobody_holds_it(kind: Kind) -> None:
    world = World(kind)
    world.own.open(world.slices, world.rows)
    gone = weakref.ref(world)
    del world
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(not path.IN_C, reason="nothing is compiled")
def test_what_is_compiled_refuses_what_it_could_not_read() -> None:
    world = World(Direct)
    odd: Any = "rows"
    with pytest.raises(TypeError, match="compiled"):
        world.own.open(world.slices, odd)
    world.own.open(world.slices, world.rows)
    for start, stop in ((-1, 1), (1, 1), (4, 6)):
        with pytest.raises(IndexError, match="no such rows"):
            world.send(start, stop)
