from __future__ import annotations

import pytest

from feed.protocol.messages import Statistics
from feed.ticks import DAY_NS, REWIND_NS
from tests.fakes import World, quote, trade


def test_a_snapshot_holds_the_newest_tick_of_each_kind_and_the_seqs_that_were_asked_for() -> None:
    world = World()
    world.publish(quote(bid=1), quote(bid=2), trade(price=3))
    snapshot = world.hub.last_values.snapshot("A", ["quotes", "bars"])
    assert snapshot.seqs == {"quotes": 2, "bars": 0}
    assert snapshot.quote is not None
    assert snapshot.quote.bid == 2
    assert snapshot.trade is not None
    assert snapshot.trade.price == 3
    assert snapshot.bar is None


def test_a_symbol_without_a_tick_has_an_empty_snapshot() -> None:
    snapshot = World().hub.last_values.snapshot("A", ["quotes"])
    assert (snapshot.seqs, snapshot.quote, snapshot.session) == ({"quotes": 0}, None, None)


def statistics_of(*trades: tuple[int, float, int | None]) -> Statistics:
    world = World()
    for ts_event, price, size in trades:
        world.hub.last_values.count("A", ts_event, price, size)
    return world.hub.last_values.statistics["A"].snapshot()


def test_the_statistics_are_those_of_the_trades() -> None:
    found = statistics_of((0, 10.0, 1), (0, 12.0, 2), (0, 9.0, 1))
    assert found == Statistics(10, 12, 9, 9, None, 4, 10.75)


@pytest.mark.parametrize("ts_event", [2 * DAY_NS, DAY_NS - REWIND_NS])
def test_another_day_or_a_tape_that_starts_over_begins_a_new_session(ts_event: int) -> None:
    found = statistics_of((DAY_NS + 1, 10, 5), (ts_event, 11, 1))
    assert found == Statistics(11, 11, 11, 11, 10, 1, 11)


def test_a_trade_of_unknown_size_moves_the_price_only() -> None:
    assert statistics_of((0, 10, None)) == Statistics(10, 10, 10, 10, None, 0, None)
