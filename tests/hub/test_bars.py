from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.bars import SECOND_NS, BarBuilder
from feed.ticks import Bar, Tick
from tests.fakes import quote, trade


def at(seconds: float, tick: Tick) -> Tick:
    tick.ts_event = int(seconds * SECOND_NS)
    return tick


def bars(ticks: list[Tick]) -> list[Bar]:
    return [own for own in ticks if isinstance(own, Bar)]


def test_a_second_closes_just_before_the_tick_that_ends_it() -> None:
    builder = BarBuilder()
    builder.extend([at(60.1, trade(price=10, size=1)), at(60.5, trade(price=12, size=3))])
    ended = builder.extend([at(61.0, trade(price=11))])
    assert [type(own).__name__ for own in ended] == ["Bar", "Trade"]
    [bar] = bars(ended)
    assert (bar.interval, bar.ts_event) == ("1s", 60 * SECOND_NS)
    assert (bar.open, bar.high, bar.low, bar.close) == (10, 12, 10, 12)
    assert (bar.volume, bar.vwap, bar.trades, bar.basis) == (4, 11.5, 2, "trades")


def test_another_symbol_of_the_source_ends_the_second_too() -> None:
    builder = BarBuilder()
    builder.extend([at(60.1, trade("A"))])
    assert [own.symbol for own in bars(builder.extend([at(61.2, quote("B"))]))] == ["A"]


def test_a_minute_gathers_its_seconds() -> None:
    builder = BarBuilder()
    for second, price in [(60.5, 10), (70.0, 14), (119.9, 9)]:
        builder.extend([at(second, trade(price=price, size=2))])
    minute = bars(builder.extend([at(120, trade())]))[-1]
    assert (minute.interval, minute.ts_event) == ("1m", 60 * SECOND_NS)
    assert (minute.open, minute.high, minute.low, minute.close) == (10, 14, 9, 9)
    assert (minute.volume, minute.trades) == (6, 3)


def test_a_symbol_without_trades_gets_bars_of_mid_quotes_that_say_so() -> None:
    builder = BarBuilder()
    builder.extend([at(60.1, quote(bid=10)), at(60.2, quote(bid=12))])
    [bar] = bars(builder.extend([at(61, quote())]))
    assert (bar.open, bar.close, bar.volume, bar.vwap, bar.basis) == (10.5, 12.5, 0, None, "quotes")


def test_once_a_symbol_trades_its_quotes_no_longer_count() -> None:
    builder = BarBuilder()
    builder.extend([at(60.1, quote(bid=90)), at(60.2, trade(price=10)), at(60.3, quote(bid=90))])
    [bar] = bars(builder.extend([at(61, quote())]))
    assert (bar.open, bar.high, bar.basis) == (10, 10, "trades")


def test_a_tape_that_starts_over_closes_its_bars_and_begins_again() -> None:
    builder = BarBuilder()
    builder.extend([at(600.0, trade(price=10))])
    ended = builder.extend([at(60.0, trade(price=20))])
    assert [own.interval for own in bars(ended)] == ["1s", "1m"]
    [bar] = bars(builder.extend([at(61, trade())]))
    assert bar.open == 20


def test_a_tape_shorter_than_a_minute_gives_the_same_bars_on_every_pass() -> None:
    builder = BarBuilder()
    counts = []
    for _ in range(4):
        ticks = [at(60 + second, trade()) for second in range(46)]
        counts.append(
            sum(own.interval == "1s" for tick in ticks for own in bars(builder.extend([tick])))
        )
    assert counts == [45, 46, 46, 46]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 9)), min_size=1, max_size=60))
def test_volumes_add_up_however_the_ticks_are_cut_into_bursts(
    steps: list[tuple[int, int]],
) -> None:
    seconds, builder, closed = 60.0, BarBuilder(), list[Bar]()
    for tenths, size in steps:
        seconds += tenths / 10
        closed += bars(builder.extend([at(seconds, trade(size=size))]))
    closed += bars(builder.extend([at(seconds + 120, quote("Z"))]))
    total = sum(size for _, size in steps)
    for interval in ("1s", "1m"):
        assert sum(own.volume or 0 for own in closed if own.interval == interval) == total


def test_ticks_out_of_order_close_what_the_newest_of_them_ends() -> None:
    builder = BarBuilder(rewind_ns=60 * SECOND_NS)
    builder.extend([at(60.5, trade(price=10))])
    late = [at(61.5, trade(price=11)), at(60.9, trade(price=9))]
    ended = builder.extend(late, newest_ns=late[0].ts_event)
    assert [type(own).__name__ for own in ended] == ["Bar", "Trade", "Trade"]
    [bar] = bars(builder.extend([at(62, trade(price=10))]))
    assert (bar.high, bar.low, bar.trades) == (11, 9, 2), "a late tick counts into the open bar"


def test_a_bar_among_the_ticks_is_of_the_time_that_it_began_and_ends_nothing() -> None:
    builder = BarBuilder()
    builder.extend([at(600, trade(price=10))])
    day = at(0, Bar("A", 0, "1d", 0, 1, 1, 1, 1, 1, 1, 1, 0))
    ticks: list[Tick] = [day, at(600.5, trade(price=11))]
    assert builder.extend(ticks) == ticks
    [bar] = bars(builder.extend([at(601, trade())]))
    assert bar.trades == 2
