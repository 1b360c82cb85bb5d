"""The interval of bars, told from their starts."""

from __future__ import annotations

import numpy as np
import pytest

from feed.tape.intervals import infer_interval, length_ns, same_interval

S = 1_000_000_000


@pytest.mark.parametrize(
    ("step_s", "name"), [(1, "1s"), (60, "1m"), (300, "5m"), (3_600, "1h"), (86_400, "1d")]
)
def test_the_smallest_step_is_the_interval(step_s: int, name: str) -> None:
    times = np.array([0, 3, 4, 9]) * step_s * S
    assert infer_interval(times, np.zeros(4, np.int32), dates=False) == name


def test_only_steps_within_a_symbol_count() -> None:
    times = np.array([0, 1, 60, 61]) * S
    assert infer_interval(times, np.array([0, 1, 0, 1]), dates=False) == "1m"


@pytest.mark.parametrize(("days", "name"), [(1, "1d"), (3, "1d"), (7, "1w"), (28, "1mo")])
def test_dates_are_days_unless_they_are_weeks_or_months_apart(days: int, name: str) -> None:
    times = np.array([0, days]) * 86_400 * S
    assert infer_interval(times, np.zeros(2, np.int32), dates=True) == name


def test_one_date_alone_is_a_day_and_one_time_alone_is_unknown() -> None:
    one, code = np.array([5 * S]), np.zeros(1, np.int32)
    assert infer_interval(one, code, dates=True) == "1d"
    assert infer_interval(one, code, dates=False) is None


def test_steps_that_are_no_whole_seconds_are_unknown() -> None:
    assert infer_interval(np.array([0, S // 2]), np.zeros(2, np.int32), dates=False) is None


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [("1s", 1), ("250ms", 0.25), ("5m", 300), ("5min", 300), ("1h", 3600), ("1D", 86_400)],
)
def test_an_interval_has_a_length(interval: str, seconds: float) -> None:
    assert length_ns(interval) == seconds * 1_000_000_000


@pytest.mark.parametrize("text", ["", "s", "0s", "-1s", "1.5s", "1mo", "1M", "1w", "soon"])
def test_what_has_no_fixed_length_has_none(text: str) -> None:
    assert length_ns(text) is None


def test_names_of_one_interval_are_the_same() -> None:
    assert same_interval("1m", "1min")
    assert same_interval("1mo", "1mo")
    assert not same_interval("1mo", "1w")
