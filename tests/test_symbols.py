"""The grammar of symbols and patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.symbols import SymbolSet, is_wildcard, matches, pattern_ok, symbol_ok

ALPHABET = "ABCXYZabcxyz0189._:/-^=+"


@pytest.mark.parametrize(
    "text", ["AAPL", "BTC/USDT", "^GSPC", "6E=F", "BRK.B", "EUR-USD", "x:Y_1+2", "9988", "A" * 40]
)
def test_a_symbol_is_a_symbol(text: str) -> None:
    assert symbol_ok(text)


@pytest.mark.parametrize(
    "text", ["", " ", "A B", "-A", ".A", "=A", "A" * 41, "É", "A\n", "A*", "*", "A,B", "A\0"]
)
def test_what_is_no_symbol_is_refused(text: str) -> None:
    assert not symbol_ok(text)


@pytest.mark.parametrize("pattern", ["*", "BTC*", "^G*"])
def test_a_star_or_a_prefix_is_a_pattern(pattern: str) -> None:
    assert pattern_ok(pattern)
    assert is_wildcard(pattern)


@pytest.mark.parametrize("pattern", ["", "BTC", "*BTC", "B*C", "**", " *"])
def test_other_stars_are_no_pattern(pattern: str) -> None:
    assert not pattern_ok(pattern)


@given(st.text(ALPHABET, min_size=1, max_size=40), st.integers(0, 40))
def test_a_symbol_matches_itself_the_star_and_each_of_its_prefixes(text: str, cut: int) -> None:
    assert matches(text, text)
    assert matches("*", text)
    assert matches(text[:cut] + "*", text)


@pytest.mark.parametrize(("pattern", "symbol"), [("AAPL", "AAP"), ("BTC*", "ETHBTC"), ("a*", "A")])
def test_what_differs_does_not_match(pattern: str, symbol: str) -> None:
    assert not matches(pattern, symbol)


@given(st.lists(st.text("AB", max_size=3)), st.lists(st.text("AB", max_size=2)), st.text("AB"))
def test_a_set_of_symbols_has_what_any_of_its_patterns_matches(
    names: list[str], prefixes: list[str], symbol: str
) -> None:
    patterns = [*names, *(f"{own}*" for own in prefixes)]
    assert (symbol in SymbolSet(patterns)) == any(matches(own, symbol) for own in patterns)
    assert SymbolSet(patterns) == SymbolSet(reversed(patterns))
    assert list(SymbolSet(patterns)) == sorted(set(patterns))


def test_a_set_of_symbols_never_folds_case() -> None:
    assert "aapl" not in SymbolSet(["AAPL", "A*"])
