"""What holds of sums, in Python and in C."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.hub import path, sums

both = pytest.mark.parametrize("kind", [sums.Sums] + ([path.Sums] if path.IN_C else []))


def values(own: Any) -> list[Any]:
    return [getattr(own, name) for name in sums.Sums.__slots__]


@both
def test_trades_move_the_price_and_add_up(kind: Any) -> None:
    own = kind(10)
    for price, size in ((10, 1), (12.5, 2), (9, None), (11, 0.5)):
        own.add(price, size)
    assert (own.open, own.high, own.low, own.last) == (10.0, 12.5, 9.0, 11.0)
    assert (own.volume, own.notional, own.trades) == (3.5, 40.5, 4)


@both
def test_whole_sizes_stay_whole(kind: Any) -> None:
    own = kind(1.0)
    own.add(1.0, 2**62)
    own.add(1.0, 2**62)
    assert repr(own.volume) == str(2**63)


@both
def test_prices_that_are_no_trades_move_it_and_add_nothing(kind: Any) -> None:
    own = kind(5.0)
    for price in (7.0, 4, 6.0):
        own.move(price)
    assert (own.open, own.high, own.low, own.last) == (5, 7, 4, 6)
    assert (own.trades, own.volume, own.notional) == (0, 0, 0.0)


@both
def test_what_is_no_number_is_refused(kind: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        kind("x")
    with pytest.raises((TypeError, ValueError)):
        kind(1.0).move("x")
    with pytest.raises(TypeError):
        kind(1.0).add(1.0, "x")


sizes = st.none() | st.integers(0, 2**70) | st.floats(0, 1e9)


@pytest.mark.skipif(not path.IN_C, reason="needs the compiled module")
@given(st.lists(st.tuples(st.floats(-1e9, 1e9), sizes), min_size=1))
def test_sums_in_c_are_those_in_python(made: list[tuple[float, float | None]]) -> None:
    in_python, in_c = sums.Sums(made[0][0]), path.Sums(made[0][0])
    for price, size in made:
        in_python.add(price, size)
        in_c.add(price, size)
    assert repr(values(in_c)) == repr(values(in_python))
