"""What holds of sums, in Python and in C."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feed.hub import path, sums
from feed.ticks import Bar, Size

IN_PYTHON: Final = sums.Sums, sums.gather, sums.bars_of
IN_USE: Final[Any] = path.Sums, path.gather, path.bars_of

both = pytest.mark.parametrize("kind", [sums.Sums] + ([path.Sums] if path.IN_C else []))
ways = pytest.mark.parametrize("way", [IN_PYTHON] + ([IN_USE] if path.IN_C else []))
compiled = pytest.mark.skipif(not path.IN_C, reason="needs the compiled module")

Made = list[tuple[float, Size]]


def values(own: Any) -> list[Any]:
    return [getattr(own, name) for name in sums.Sums.__slots__]


def sums_of(kind: Any, made: Made) -> Any:
    own = kind(made[0][0])
    for price, size in made:
        own.add(price, size)
    return own


def mids_of(kind: Any, *prices: float) -> Any:
    own = kind(prices[0])
    for price in prices:
        own.move(price)
    return own


@both
def test_trades_move_the_price_and_add_up(kind: Any) -> None:
    own = sums_of(kind, [(10, 1), (12.5, 2), (9, None), (11, 0.5)])
    assert (own.open, own.high, own.low, own.last) == (10.0, 12.5, 9.0, 11.0)
    assert (own.volume, own.notional, own.trades) == (3.5, 40.5, 4)


@both
def test_whole_sizes_stay_whole(kind: Any) -> None:
    own, later = (sums_of(kind, [(1.0, 2**62), (1.0, 2**62)]) for _ in range(2))
    assert repr(own.volume) == str(2**63)
    own.merge(later)
    assert repr(own.volume) == str(2**64)
    half, other = (sums_of(kind, [(1.0, 2**62)]) for _ in range(2))
    half.merge(other)
    assert repr(half.volume) == str(2**63)


@both
def test_prices_that_are_no_trades_move_it_and_add_nothing(kind: Any) -> None:
    own = mids_of(kind, 5.0, 7.0, 4, 6.0)
    assert (own.open, own.high, own.low, own.last) == (5, 7, 4, 6)
    assert (own.trades, own.volume, own.notional, own.vwap) == (0, 0, 0.0, None)


@both
def test_what_is_no_number_is_refused(kind: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        kind("x")
    with pytest.raises((TypeError, ValueError)):
        kind(1.0).move("x")
    with pytest.raises(TypeError):
        kind(1.0).add(1.0, "x")


few = st.lists(
    st.tuples(st.integers(1, 99).map(float), st.none() | st.integers(0, 9)), min_size=1, max_size=20
)


@both
@given(few)
def test_the_vwap_is_of_those_trades_that_tell_a_size(kind: Any, made: Made) -> None:
    volume, notional = sum(size or 0 for _, size in made), sum(p * (size or 0) for p, size in made)
    assert sums_of(kind, made).vwap == (round(notional / volume, 8) if volume else None)


@both
@given(few, few)
def test_merging_is_counting_on(kind: Any, first: Made, second: Made) -> None:
    merged = sums_of(kind, first)
    merged.merge(sums_of(kind, second))
    assert values(merged) == values(sums_of(kind, first + second))


@ways
def test_trades_take_the_place_of_mid_quotes_and_are_not_moved_by_them(way: Any) -> None:
    kind, gather, _ = way
    minutes = {"A": mids_of(kind, 9.0), "B": sums_of(kind, [(5.0, 1)])}
    gather(minutes, {"A": sums_of(kind, [(7.0, 2)]), "C": mids_of(kind, 3.0)})
    found = {symbol: (own.open, own.high, own.trades) for symbol, own in minutes.items()}
    assert found == {"A": (7.0, 7.0, 1), "B": (5.0, 5.0, 1), "C": (3.0, 3.0, 0)}
    assert list(minutes) == ["A", "B", "C"]


@ways
def test_bars_are_of_trades_and_of_mid_quotes_where_there_never_was_one(way: Any) -> None:
    kind, _, bars_of = way
    own = {"A": sums_of(kind, [(7.0, 2), (8.0, 1)]), "B": mids_of(kind, 3.0), "C": mids_of(kind, 4)}
    assert bars_of(own, "1s", 5, {"A", "B"}) == [
        Bar("A", 0, "1s", 5, 7.0, 8.0, 7.0, 8.0, 3, 7.33333333, 2, 0),
        Bar("C", 0, "1s", 5, 4.0, 4.0, 4.0, 4.0, 0, None, 0, 0, "quotes"),
    ]


sizes = st.none() | st.integers(0, 2**70) | st.floats(0, 1e9) | st.integers(0, 1000)
price = st.floats(-1e9, 1e9) | st.integers(0, 10**6).map(lambda cents: cents / 100)
trades = st.lists(st.tuples(price, sizes), min_size=1, max_size=9)
lots = st.lists(st.tuples(st.sampled_from("ABC"), st.booleans(), trades), max_size=12)


@compiled
@given(trades)
def test_sums_in_c_are_those_in_python(made: Made) -> None:
    in_python, in_c = sums_of(sums.Sums, made), sums_of(path.Sums, made)
    assert repr(values(in_c)) == repr(values(in_python))


@compiled
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 3) | st.just(0.5))
@example(7.5e-08, 1)  # just below a half, which times 1e8 it is
@example(1.05e-07, 1)  # just above
@example(-1e-12, 1)
@example(2**50 / 1e8, 1)
@example(2**53 / 1e8 + 0.1, 1)
def test_a_vwap_in_c_is_rounded_as_in_python(notional: float, volume: Size) -> None:
    found = []
    for kind in (sums.Sums, path.Sums):
        own = kind(1.0)
        own.notional, own.volume = notional, volume  # type: ignore[assignment]
        found.append(repr(own.vwap))
    assert found[0] == found[1]


@compiled
@given(st.lists(lots, max_size=4), st.sets(st.sampled_from("ABC")))
def test_bars_of_many_seconds_in_c_are_those_in_python(
    seconds: list[list[tuple[str, bool, Made]]], traded: set[str]
) -> None:
    found = []
    for kind, gather, bars_of in (IN_PYTHON, IN_USE):
        minutes: dict[str, Any] = {}
        bars: list[Bar] = []
        for second in seconds:
            own = {
                s: sums_of(kind, m) if t else mids_of(kind, *(p for p, _ in m))
                for s, t, m in second
            }
            bars += bars_of(own, "1s", -7, traded)
            gather(minutes, own)
        bars += bars_of(minutes, "1m", 2**62, traded)
        found.append(repr([bars, {symbol: values(own) for symbol, own in minutes.items()}]))
    assert found[0] == found[1]


@ways
def test_what_are_no_sums_is_refused(way: Any) -> None:
    _, gather, bars_of = way
    with pytest.raises((TypeError, AttributeError)):
        gather({"A": 1}, {"A": 2})
    with pytest.raises((TypeError, AttributeError)):
        bars_of({"A": 1}, "1s", 0, set())
