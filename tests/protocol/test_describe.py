from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.protocol.describe import describe, explain

SHOWN = frozenset(string.printable) - frozenset("\r\n\t\v\f")

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(values)
def test_a_value_is_described_in_at_most_64_printable_characters(value: object) -> None:
    text = describe(value)
    assert 0 < len(text) <= 64
    assert set(text) <= SHOWN


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ({}, "Object missing required field `bid`", "bid must be a price, was missing"),
        ({"bid": None}, "Expected `float` - at `$.bid`", "bid must be a price, was null"),
        ({"bid": [1]}, "Expected `float` - at `$.bid`", "bid must be a price, was a list with 1"),
        ({"x": 1}, "Expected `int` - at `$.x`", "Expected `int` - at `$.x`"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(
    value: dict[str, Any], error: str, text: str
) -> None:
    assert explain(value, error, {"bid": "a price"}).startswith(text)
