from __future__ import annotations

import pytest

from feed.settings.parse import flag, moment, pairs, patterns, texts

NS = 1_000_000_000


def test_one_text_may_hold_several() -> None:
    assert texts("a,b") == texts(["a", "b"]) == ("a", "b")


def test_pairs_come_from_texts_or_a_table() -> None:
    expected = (("bid", "B"), ("ask", "A=x"))
    assert pairs(["bid=B", "ask=A=x"]) == pairs({"bid": "B", "ask": "A=x"}) == expected


def test_patterns_may_be_none() -> None:
    assert patterns("") == patterns([]) == ()
    assert patterns("A,BTC*") == ("A", "BTC*")
    with pytest.raises(ValueError, match=r"symbols, \* or PREFIX\*"):
        patterns("A B")


@pytest.mark.parametrize("word", ["1", "true", "TRUE", "yes", True])
def test_yes_has_several_words(word: object) -> None:
    assert flag(word) is True


@pytest.mark.parametrize("word", ["0", "false", "No", False])
def test_no_has_several_words(word: object) -> None:
    assert flag(word) is False


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("1970-01-01", 0),
        ("20240102", 1_704_153_600 * NS),
        ("2024-01-02T00:00:00+01:00", 1_704_150_000 * NS),
        ("2024-01-02 00:00:00.000001", 1_704_153_600 * NS + 1_000),
        ("1969-12-31T23:59:59.999999Z", -1_000),
        ("1704153600123456789", 1_704_153_600_123_456_789),
        (5, 5),
    ],
)
def test_a_moment_is_iso_8601_or_nanoseconds(written: object, ns: int) -> None:
    assert moment(written) == ns
