"""What the simulator knows of a symbol is plausible, and the same in every process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.sources.instruments import KNOWN, instrument


def test_a_known_name_has_its_own_level() -> None:
    assert instrument("AAPL").price == 187.20
    assert instrument("BTC-USD").price == 42_850.0


def test_figures_of_an_unknown_name_do_not_depend_on_the_process() -> None:
    found = instrument("S000")
    assert (found.price, found.ticks_per_unit, found.lot) == (65.45, 100, 100)
    assert found.beta == pytest.approx(0.9802259816)


def test_unknown_names_differ() -> None:
    levels = {instrument(f"S{number:03}").price for number in range(100)}
    assert len(levels) > 95


@given(st.text(min_size=1, max_size=40))
def test_every_name_gets_figures_that_the_market_can_use(name: str) -> None:
    found = instrument(name)
    assert 10 <= found.price <= 500
    assert 0.6 <= found.beta <= 1.4
    assert 0.15 <= found.volatility <= 0.45
    assert found.spread > 1
    assert 0.5 <= found.activity <= 2


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_price_is_on_its_grid(name: str) -> None:
    ticks = KNOWN[name].price * KNOWN[name].ticks_per_unit
    assert ticks == pytest.approx(round(ticks))
    assert KNOWN[name].spread > 1
