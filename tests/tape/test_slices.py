from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.tape.block import TickBlock, block_of
from feed.tape.slices import AHEAD_TICKS
from feed.ticks import Tick, Trade
from tests.tape.taking import Taking

COUNT = AHEAD_TICKS + 100


@pytest.fixture(scope="module")
def block() -> TickBlock:
    times = np.arange(COUNT)
    return block_of(Trade, times, ["A"], np.zeros(COUNT, np.int32), {"price": times + 0.5})


@given(st.lists(st.tuples(st.integers(0, COUNT), st.booleans())))
def test_slices_give_the_ticks_of_their_rows_whoever_asks_for_them(
    block: TickBlock, stops: list[tuple[int, bool]]
) -> None:
    slices, whole, start = Taking(block), block.ticks(0, COUNT), 0
    for stop, asks in sorted(stops):
        part = slices.take(stop)
        assert (part.of.block, part.start, part.stop) == (block, start, stop)
        if asks:
            assert list(part) == whole[start:stop]
        start = stop


def test_few_ticks_are_built_together_with_those_that_come_next(
    block: TickBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[tuple[int, int]] = []
    build = TickBlock.ticks

    def noted(self: TickBlock, start: int, stop: int) -> list[Tick]:
        built.append((start, stop))
        return build(self, start, stop)

    monkeypatch.setattr(TickBlock, "ticks", noted)
    slices = Taking(block)
    for stop in range(1, COUNT + 1):
        assert [tick.ts_event for tick in slices.take(stop)] == [stop - 1]
    assert built == [(0, AHEAD_TICKS), (AHEAD_TICKS, COUNT)]


@given(st.integers(0, COUNT - 1), st.integers(1, COUNT), st.integers(1, COUNT))
def test_the_pieces_of_a_slice_are_the_slice(
    block: TickBlock, start: int, count: int, size: int
) -> None:
    slices = Taking(block)
    slices.take(start)
    stop = min(start + count, COUNT)
    pieces = slices.take(stop).cut(size)
    assert [row for own in pieces for row in range(own.start, own.stop)] == [*range(start, stop)]
    assert all(len(own) <= size for own in pieces)
