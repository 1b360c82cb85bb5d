"""Merged lanes are in order of time; ties keep the order of lanes and rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feed.tape.block import TickBlock, block_of
from feed.tape.merge import Lane, merge
from feed.ticks import Trade

lanes_of_blocks = st.lists(
    st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=5), max_size=5), max_size=5
)


def sorted_lanes(drawn: list[list[list[int]]]) -> list[list[list[int]]]:
    """Make each lane's times ascend over its blocks, keeping the blocks' sizes."""
    lanes = []
    for blocks in drawn:
        times = iter(sorted(time for block in blocks for time in block))
        lanes.append([[next(times) for _ in block] for block in blocks])
    return lanes


def blocks_of(lane: int, blocks: list[list[int]]) -> Iterator[TickBlock]:
    row = 0
    for times in blocks:
        prices = lane * 1_000 + np.arange(row, row + len(times), dtype=float)
        codes = np.zeros(len(times), np.int32)
        yield block_of(Trade, np.array(times, np.int64), ["A"], codes, {"price": prices})
        row += len(times)


def lane_of(number: int, blocks: list[list[int]]) -> Lane:
    return Lane(blocks[0][0] if blocks else None, lambda: blocks_of(number, blocks))


@given(lanes_of_blocks)
def test_the_merge_is_the_stable_sort_of_all_rows(drawn: list[list[list[int]]]) -> None:
    lanes = sorted_lanes(drawn)
    expected = sorted(
        (
            (time, lane * 1_000.0 + row)
            for lane, blocks in enumerate(lanes)
            for row, time in enumerate(time for block in blocks for time in block)
        ),
        key=lambda pair: pair[0],
    )
    merged = list(merge([lane_of(number, blocks) for number, blocks in enumerate(lanes)]))
    ticks = [tick for block in merged for tick in block.ticks(0, len(block))]
    assert [(t.ts_event, t.price) for t in ticks if isinstance(t, Trade)] == expected


def test_a_lane_is_opened_only_when_its_time_has_come() -> None:
    opened: list[int] = []

    def start(lane: int, blocks: list[list[int]]) -> Iterator[TickBlock]:
        opened.append(lane)
        return blocks_of(lane, blocks)

    days = [[[10, 19]], [[20, 29]], [[0, 9]]]
    lanes = [
        Lane(blocks[0][0], lambda i=i, b=blocks: start(i, b))  # type: ignore[misc]
        for i, blocks in enumerate(days)
    ]
    merged = merge(lanes)
    assert opened == []
    assert next(merged).ts_event.tolist() == [0, 9]
    assert opened == [2]
    assert next(merged).ts_event.tolist() == [10, 19]
    assert opened == [2, 0]
