from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.histogram import Histogram

DURATIONS = st.lists(st.integers(-5, 10**13), min_size=1)


def filled(durations: list[int]) -> Histogram:
    histogram = Histogram()
    for duration_ns in durations:
        histogram.add(duration_ns)
    return histogram


@given(DURATIONS)
def test_every_duration_is_in_its_bucket_and_buckets_are_three_percent_wide(
    durations: list[int],
) -> None:
    buckets = list(filled(durations).buckets())
    assert sum(bucket.times for bucket in buckets) == len(durations)
    for low_ns, high_ns, times in buckets:
        assert sum(low_ns <= max(own, 0) < high_ns for own in durations) == times
        assert high_ns - low_ns <= max(1, low_ns / 31)


@given(DURATIONS, st.floats(0.01, 1.0))
def test_percentiles_are_within_two_percent(durations: list[int], share: float) -> None:
    ordered = sorted(max(own, 0) for own in durations)
    rank = max(0, -int(-share * len(ordered) // 1) - 1)
    exact_ms = ordered[rank] / 1e6
    assert filled(durations).percentile_ms(share) == pytest.approx(exact_ms, rel=0.02, abs=1e-6)


@given(DURATIONS, DURATIONS)
def test_merging_is_the_same_as_counting_in_one(one: list[int], other: list[int]) -> None:
    merged = filled(one)
    merged.merge(filled(other))
    assert merged == filled([*one, *other])


def test_nothing_counted_is_zero() -> None:
    assert Histogram().percentile_ms(0.99) == 0.0
