from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.sums import Sums
from feed.hub.tally import Tally

trades = st.lists(
    st.tuples(st.integers(1, 99).map(float), st.none() | st.integers(0, 9)), min_size=1, max_size=20
)


def tally_of(made: list[tuple[float, int | None]]) -> Tally:
    tally = Tally(made[0][0])
    for price, size in made:
        tally.add(price, size)
    return tally


def values(tally: Tally) -> list[object]:
    return [getattr(tally, name) for name in Sums.__slots__]


@given(trades)
def test_a_tally_is_what_its_trades_add_up_to(made: list[tuple[float, int | None]]) -> None:
    tally, prices = tally_of(made), [price for price, _ in made]
    volume = sum(size or 0 for _, size in made)
    assert (tally.open, tally.last) == (prices[0], prices[-1])
    assert (tally.high, tally.low) == (max(prices), min(prices))
    assert (tally.volume, tally.trades) == (volume, len(made))
    notional = sum(price * (size or 0) for price, size in made)
    assert tally.vwap == (round(notional / volume, 8) if volume else None)


@given(trades, trades)
def test_merging_is_counting_on(
    first: list[tuple[float, int | None]], second: list[tuple[float, int | None]]
) -> None:
    merged = tally_of(first)
    merged.merge(tally_of(second))
    assert values(merged) == values(tally_of(first + second))


def test_prices_that_are_no_trades_move_it_and_add_nothing() -> None:
    tally = Tally(5.0)
    for price in (7.0, 4.0, 6.0):
        tally.move(price)
    assert (tally.open, tally.high, tally.low, tally.last) == (5, 7, 4, 6)
    assert (tally.trades, tally.volume, tally.vwap) == (0, 0, None)
