from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.sessions import rates
from feed.sessions.rates import Rate, Rates


def test_a_burst_at_once_then_the_rate() -> None:
    own = Rates(Rate(2, burst=3))
    assert [own.allow("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert own.allow("b", 0.0)
    assert own.allow("a", 0.5)
    assert not own.allow("a", 0.5)
    assert [own.allow("a", 99.0) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 5), max_size=99), st.floats(0.5, 20), st.integers(1, 9))
def test_it_is_never_more_than_the_burst_and_the_rate(
    waits: list[float], per_s: float, burst: int
) -> None:
    own, now_s, done = Rates(Rate(per_s, burst)), 0.0, 0
    for wait_s in waits:
        now_s += wait_s
        done += own.allow("a", now_s)
        assert done <= burst + now_s * per_s + 1e-6


def test_keys_that_may_do_a_whole_burst_again_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "KEPT", 2)
    own = Rates(Rate(1))
    for number in range(9):
        assert own.allow(number, number * 10.0)
    assert len(own._due_s) <= 3
