from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from feed.client.backoff import delays


def test_each_delay_is_drawn_from_twice_the_range_of_the_last_up_to_the_limit() -> None:
    ranges: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        ranges.append((low, high))
        return high

    assert list(islice(delays(first_s=1, limit_s=6, draw=draw), 5)) == [1, 2, 4, 6, 6]
    assert {low for low, _ in ranges} == {0.0}


@given(st.integers(1, 2_000))
def test_no_delay_exceeds_the_limit_however_long_it_takes(count: int) -> None:
    assert all(0 <= delay <= 30 for delay in islice(delays(), count))
