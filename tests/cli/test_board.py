from __future__ import annotations

import pytest

from feed.cli.board import Board, Row
from feed.protocol.messages import Snapshot, Statistics
from feed.ticks import DAY_NS, Bar, Quote, Tick, Trade

AT = 1_000 * DAY_NS


def quote(bid: float, ask: float) -> Quote:
    return Quote("A", 1, AT, bid, 1, ask, 1, 0)


def trade(seq: int, price: float, size: float | None = 10, at: int = AT) -> Trade:
    return Trade("A", seq, at, price, size, 0)


def row(*ticks: Tick) -> Row:
    made = Row("A")
    for moment, tick in enumerate(ticks):
        made.take(tick, float(moment))
    return made


def test_a_price_knows_which_way_and_when_it_moved_last() -> None:
    made = row(quote(1.0, 1.2), quote(1.1, 1.2), quote(1.1, 1.1), quote(1.1, 1.1))
    assert (made.bid.value, made.bid.direction, made.bid.moved_s) == (1.1, 1, 1.0)
    assert (made.ask.direction, made.ask.moved_s) == (-1, 2.0)
    assert made.spread == 0


def test_nothing_is_known_before_the_first_tick() -> None:
    made = Row("A")
    assert (made.spread, made.change_percent, made.volume, made.last.value) == (None,) * 4
    assert made.bid.direction == 0


def test_every_trade_counts_in_the_volume() -> None:
    made = row(trade(1, 100.0), trade(2, 110.0, None), trade(3, 105.0, 0.5))
    assert made.volume == 10.5
    assert made.change_percent == pytest.approx(5)


def test_a_snapshot_is_the_beginning_and_its_trades_are_not_counted_twice() -> None:
    made = Row("A")
    session = Statistics(open=100, last=103, previous_close=50, volume=1_000)
    snapshot = Snapshot(
        "A", {"trades": 7}, quote=quote(1, 2), trade=trade(7, 103.0), session=session
    )
    made.snapshot(snapshot, 0.0)
    assert (made.bid.value, made.last.value, made.volume) == (1, 103, 1_000)
    made.take(trade(6, 99.0), 1.0)
    made.take(trade(7, 103.0), 1.0)
    made.take(trade(8, 75.0), 1.0)
    assert made.volume == 1_010
    assert made.change_percent == pytest.approx(50)


def test_without_a_previous_close_the_change_is_from_the_open() -> None:
    made = Row("A")
    session = Statistics(open=100, volume=1)
    made.snapshot(Snapshot("A", {"trades": 1}, trade=trade(1, 110.0), session=session), 0.0)
    assert made.change_percent == pytest.approx(10)


def test_a_snapshot_of_quotes_leaves_the_trades_alone() -> None:
    made = row(trade(3, 100.0))
    made.snapshot(Snapshot("A", {"quotes": 9}, quote=quote(1, 2), session=Statistics()), 0.0)
    made.take(trade(4, 101.0), 1.0)
    assert made.volume == 20


@pytest.mark.parametrize("at", [AT + DAY_NS, AT - 61_000_000_000])
def test_another_day_or_a_tape_that_starts_over_begins_a_new_session(at: int) -> None:
    made = row(trade(1, 100.0), trade(2, 80.0), trade(3, 100.0, 7, at))
    assert made.volume == 7
    assert made.reference == 80.0


@pytest.mark.parametrize(
    ("prices", "decimals"), [([1.0], 2), ([1.25, 1.5], 2), ([0.12345], 5), ([1e-7], 8)]
)
def test_prices_are_shown_with_the_most_decimals_seen(prices: list[float], decimals: int) -> None:
    assert row(*[trade(seq, price) for seq, price in enumerate(prices, 1)]).decimals == decimals


def test_other_ticks_change_nothing() -> None:
    made = row(Bar("A", 1, "1m", AT, 1, 1, 1, 1, 5, None, None, 0))
    assert made.ts_event == 0


def test_rows_come_in_the_order_of_their_symbols() -> None:
    board = Board()
    board.take([Trade(symbol, 1, AT, 1.0, 1, 0) for symbol in "CAB"], 0.0)
    assert [own.symbol for own in board.first(2)] == ["A", "B"]
    assert len(board) == 3
