"""Blocks give the same ticks however they are cut, picked and joined."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feed.tape.block import Part, TickBlock, block_of, concatenate
from feed.ticks import Bar, Quote, Status, Tick, Trade

SYMBOLS = np.array(["A", "B", "C"], dtype=object)

rows = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([Quote, Trade, Bar, Status]), st.integers(0, 2)),
    max_size=30,
)


def naive(ts_event: int, kind: type, code: int, number: int) -> Tick:
    """Build one tick as a reader of the documentation would."""
    symbol, value = "ABC"[code], float(number)
    if kind is Quote:
        return Quote(symbol, 0, ts_event, value, number, value + 1, None, 0)
    if kind is Trade:
        return Trade(symbol, 0, ts_event, value, number, 0)
    if kind is Bar:
        return Bar(symbol, 0, "1m", ts_event, value, value, value, value, number, None, None, 0)
    return Status(symbol, 0, ts_event, f"s{number}", None, 0)


def columns_of(kind: type, numbers: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    value = numbers.astype(float)
    words = np.array([f"s{number}" for number in numbers], dtype=object)
    minute = np.full(len(numbers), "1m", dtype=object)
    same = dict.fromkeys(("open", "high", "low", "close"), value)
    by_kind: dict[type, dict[str, np.ndarray[Any, Any]]] = {
        Quote: {"bid": value, "bid_size": numbers, "ask": value + 1},
        Trade: {"price": value, "size": numbers},
        Bar: {"interval": minute, **same, "volume": numbers},
        Status: {"status": words},
    }
    return by_kind[kind]


def build(made: list[tuple[int, type, int]], first: int = 0) -> tuple[TickBlock, list[Tick]]:
    """Make a block of mixed kinds, and the same ticks one by one."""
    made = sorted(made, key=lambda row: row[0])
    numbers = np.arange(first, first + len(made))
    parts = []
    for kind in {row[1]: None for row in made}:
        places = np.array([i for i, row in enumerate(made) if row[1] is kind])
        codes = np.array([made[i][2] for i in places], np.int32)
        alone = None if len(places) == len(made) else places
        parts.append(Part(kind, alone, SYMBOLS, codes, columns_of(kind, numbers[places])))
    times = np.array([row[0] for row in made], np.int64)
    return TickBlock(times, tuple(parts)), [
        naive(*row, int(number)) for row, number in zip(made, numbers, strict=True)
    ]


@given(rows, st.integers(0, 30), st.integers(0, 30))
def test_any_stretch_gives_the_ticks_that_naive_building_gives(
    made: list[tuple[int, type, int]], start: int, stop: int
) -> None:
    block, ticks = build(made)
    start, stop = sorted((min(start, len(ticks)), min(stop, len(ticks))))
    if ticks:
        assert block.ticks(start, stop) == ticks[start:stop]
        assert block.slice(start, stop).ticks(0, stop - start) == ticks[start:stop]


@given(rows.filter(bool), st.data())
def test_selected_rows_come_in_the_order_selected(
    made: list[tuple[int, type, int]], data: st.DataObject
) -> None:
    block, ticks = build(made)
    picked = data.draw(st.lists(st.integers(0, len(ticks) - 1), unique=True))
    chosen = block.select(np.array(picked, np.int64))
    assert chosen.ticks(0, len(chosen)) == [ticks[i] for i in picked]


@given(st.lists(rows.filter(bool), min_size=1, max_size=4))
def test_joined_blocks_are_ordered_by_time_then_block_then_row(
    made: list[list[tuple[int, type, int]]],
) -> None:
    built = [build(rows, first=100 * i) for i, rows in enumerate(made)]
    joined = concatenate([block for block, _ in built])
    expected = itertools.chain.from_iterable(ticks for _, ticks in built)
    in_order = sorted(expected, key=lambda tick: tick.ts_event)
    assert joined.ticks(0, len(joined)) == in_order


def test_a_column_that_one_of_the_joined_lacks_is_none_there() -> None:
    codes, times = np.zeros(1, np.int32), np.array([1], np.int64)
    sized = block_of(Trade, times, ["A"], codes, {"price": np.ones(1), "size": np.array([7])})
    bare = block_of(Trade, times + 1, ["A"], codes, {"price": np.ones(1)})
    ticks = concatenate([sized, bare]).ticks(0, 2)
    assert [tick.size for tick in ticks if isinstance(tick, Trade)] == [7, None]


@given(st.lists(st.integers(0, 9), max_size=12), st.none() | st.integers(-1, 10), st.integers(0, 9))
def test_a_cut_is_the_rows_from_start_to_before_end(
    times: list[int], start: int | None, end: int
) -> None:
    times.sort()
    block = block_of(Trade, np.array(times, np.int64), ["A"], np.zeros(len(times), np.int32), {})
    low, high = block.cut(start, end)
    assert times[low:high] == [t for t in times if (start is None or t >= start) and t < end]
