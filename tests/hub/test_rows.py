"""What rows become is what the same ticks become, byte for byte, in Python and in C."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feed.hub import path
from feed.hub.bars import SECOND_NS, BarBuilder
from feed.hub.cohort import Cohort, Member
from feed.hub.hub import Hub
from feed.hub.last_values import LastValues
from feed.hub.rows import Rows, RowsInPython, rows_of
from feed.hub.steps import Pace, finish
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.hub.sums import Sums
from feed.tape.block import Part, TickBlock, block_of
from feed.ticks import DAY_NS, Bar, Quote, Trade
from tests.hub.blocks import SYMBOLS, Row, block, row

compiled = pytest.mark.skipif(not path.IN_C, reason="needs the compiled module")


class World:
    """A hub with three cohorts, one of them of a wildcard, that goes one of two ways."""

    def __init__(self, part: TickBlock, *, in_python: bool) -> None:
        self.hub = Hub(lambda flush: None)
        self.bars = BarBuilder()
        self.cohorts = [self._cohort("A", "BTC-USD"), self._cohort("A"), self._cohort("^*")]
        args = part, self.hub.index, self.hub.last_values, self.bars
        self.rows: Rows | None = RowsInPython(*args) if in_python else rows_of(*args)

    def _cohort(self, *patterns: str) -> Cohort:
        wish = Subscriptions({Subscription("quotes", own): Terms("adaptive") for own in patterns})
        with self.hub.index.held(wish, batched=False) as cohort:
            finish(self.hub.index.fill(cohort, Pace()))
            cohort.join(cast(Member, object()), behind=True)
        return cohort

    def pass_on(self, stops: list[int]) -> None:
        assert self.rows is not None
        for start, stop in zip([0, *stops], stops, strict=False):
            self.hub.receive_rows(self.rows, start, stop, 77 + stop)

    def state(self) -> list[Any]:
        streams = [
            (s.channel, s.symbol, s.seq, s.find(0, s.held)) for s in self.hub.index.streams()
        ]
        newest = [s.newest for s in self.hub.index.streams()]
        owed = [cohort.payloads() for cohort in self.cohorts]
        statistics = {
            symbol: (own.day, own.ts_event, own.snapshot())
            for symbol, own in self.hub.last_values.statistics.items()
        }
        open_bars = {
            symbol: [getattr(own, name) for name in Sums.__slots__]
            for symbol, own in self.bars.seconds.items()
        }
        counts = self.hub.metrics.ticks_in, self.hub.metrics.encodings
        return [streams, newest, owed, statistics, open_bars, self.bars.traded, counts]


@compiled
@given(
    st.lists(row, min_size=1, max_size=30), st.sampled_from(["whole", "parts", "none"]), st.data()
)
@example([(0, True, 0, 0.07, 0.0, 2**63 - 1)] * 3, "whole", None)
def test_rows_in_c_are_kept_owed_and_counted_as_in_python(
    made: list[Row], sizes: str, data: st.DataObject | None
) -> None:
    part = block(made, sizes)
    middle = data.draw(st.integers(0, len(made))) if data else 1
    worlds = [World(part, in_python=own) for own in (True, False)]
    for world in worlds:
        world.pass_on([middle, len(made)])
    in_python, in_c = (world.state() for world in worlds)
    assert repr(in_c) == repr(in_python)


def next_day(world: World) -> None:
    world.hub.last_values.count("A", DAY_NS, 7.0, 1)


def forget(world: World) -> None:
    world.hub.last_values.forget({"A"})


def next_second(world: World) -> None:
    world.bars.extend([Trade("A", 0, SECOND_NS, 8.0, 2, 0)])


@compiled
@given(st.lists(st.sampled_from([next_day, forget, next_second, None]), min_size=1, max_size=8))
def test_what_others_did_to_sums_between_rows_holds_as_in_python(
    deeds: list[Callable[[World], None] | None],
) -> None:
    made = [(at, True, 0, 5.0 + at, 0.0, 10) for at in range(len(deeds) + 1)]
    worlds = [World(block(made, "whole"), in_python=own) for own in (True, False)]
    for world in worlds:
        for at, deed in enumerate([*deeds, None]):
            assert world.rows is not None
            world.hub.receive_rows(world.rows, at, at + 1, 1)
            if deed is not None:
                deed(world)
    in_python, in_c = (world.state() for world in worlds)
    assert repr(in_c) == repr(in_python)


@pytest.mark.parametrize("in_python", [True, pytest.param(False, marks=compiled)])
def test_a_row_may_be_left_out_and_the_next_ones_are_right(in_python: bool) -> None:
    made = [(at, at % 2 == 0, 0, float(at), at + 1.0, at) for at in range(1, 9)]
    world = World(block(made, "whole"), in_python=in_python)
    assert world.rows is not None
    world.hub.receive_rows(world.rows, 0, 2, 1)
    world.hub.receive_rows(world.rows, 5, 8, 2)
    found = {own.channel: own for own in world.hub.index.streams()}
    assert {name: own.seq for name, own in found.items()} == {"quotes": 2, "trades": 3}
    assert [own.last.ts_event for own in found.values() if own.last] == [7, 8]


def test_what_is_no_number_stays_ticks() -> None:
    hub, bars, one = Hub(lambda flush: None), BarBuilder(), np.zeros(1, np.int64)
    objects = {"price": np.array([None], object)}
    assert (
        rows_of(block_of(Trade, one, ["A"], one, objects), hub.index, hub.last_values, bars) is None
    )
    assert rows_of(block_of(Bar, one, ["A"], one, {}), hub.index, hub.last_values, bars) is None


@compiled
@pytest.mark.parametrize(
    "part",
    [
        Part(Quote, None, SYMBOLS, np.zeros(1, np.int32), {}),
        Part(Quote, None, SYMBOLS, np.zeros(1, np.int32), {"bid": np.zeros(2), "ask": np.zeros(1)}),
        Part(Trade, np.zeros(2, np.int64), SYMBOLS, np.zeros(1, np.int32), {"price": np.zeros(1)}),
    ],
)
def test_columns_that_do_not_fit_each_other_are_refused(part: Part) -> None:
    hub = Hub(lambda flush: None)
    with pytest.raises(TypeError, match="fit"):
        rows_of(TickBlock(np.zeros(1, np.int64), (part,)), hub.index, hub.last_values, None)


@compiled
@pytest.mark.parametrize("other", ["bars", "statistics", "index"])
def test_what_is_known_of_symbols_elsewhere_is_not_taken_over(other: str) -> None:
    states = []
    for in_python in (True, False):
        first = [(at, at < 3, 0, 5.0, 6.0, 10) for at in (1, 2, 3)]
        world = World(block(first, "whole"), in_python=in_python)
        world.pass_on([3])
        if other == "bars":
            world.bars = BarBuilder()
        elif other == "statistics":
            world.hub.last_values = LastValues(world.hub.index)
        else:
            elsewhere = World(block(first, "whole"), in_python=in_python)
            world.hub.index = elsewhere.hub.index
        before = world.rows
        second = block([(at, at > 4, 0, 5.0, 7.0, 10) for at in (4, 5)], "whole")
        args = second, world.hub.index, world.hub.last_values, world.bars
        world.rows = RowsInPython(*args) if in_python else rows_of(*args, before=before)
        assert world.rows is not None
        for at in (0, 1):
            world.hub.receive_rows(world.rows, at, at + 1, 1)
            states.append(repr(world.state()))
    assert states[:2] == states[2:]


@compiled
def test_quotes_and_trades_of_one_array_are_not_taken_for_each_other() -> None:
    quotes, trades = ([(at, at == 2, 0, 5.0, 6.0, 10)] for at in (1, 2))
    world = World(block(quotes, "whole"), in_python=False)
    world.pass_on([1])
    hub = world.hub
    args = block(trades, "whole"), hub.index, hub.last_values, world.bars
    world.rows = rows_of(*args, before=world.rows)
    world.pass_on([1])
    assert {own.channel: own.seq for own in hub.index.streams()} == {"quotes": 1, "trades": 1}


@compiled
def test_the_rows_of_one_source_may_be_passed_on_in_turn() -> None:
    made = [(at, True, 0, 5.0 + at, 0.0, 10) for at in range(8)]
    world, expected = (World(block(made, "whole"), in_python=own) for own in (False, True))
    hub = world.hub
    later = rows_of(block(made, "whole"), hub.index, hub.last_values, world.bars, before=world.rows)
    for at, rows in enumerate([world.rows, later, later, world.rows, world.rows, later]):
        assert rows is not None
        assert expected.rows is not None
        hub.receive_rows(rows, at, at + 1, 1)
        expected.hub.receive_rows(expected.rows, at, at + 1, 1)
        for own in (world, expected):
            next_second(own)
    assert repr(world.state()) == repr(expected.state())


@compiled
def test_rows_go_on_from_rows_only() -> None:
    hub, zero = Hub(lambda flush: None), np.zeros(1, np.int64)
    part = block_of(Trade, zero, ["A"], zero, {"price": np.zeros(1)})
    with pytest.raises(TypeError, match="rows"):
        rows_of(part, hub.index, hub.last_values, None, before=cast(Rows, object()))


@compiled
def test_rows_that_are_not_there_are_refused() -> None:
    hub, zero = Hub(lambda flush: None), np.zeros(1, np.int64)
    part = block_of(Trade, zero, ["A"], np.array([1]), {"price": np.zeros(1)})
    rows = rows_of(part, hub.index, hub.last_values, None)
    assert rows is not None
    for start, stop in ((0, 2), (-1, 1), (0, 1)):  # the last: a code without a symbol
        with pytest.raises(IndexError):
            rows.pass_on(start, stop, 1)
