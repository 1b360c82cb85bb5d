"""Times of every form become exact nanoseconds UTC, or are told to be none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.tape.columns import Column, Instants, Numbers, Texts
from feed.tape.options import TapeOptions
from feed.tape.times import TimeReader

S = 1_000_000_000
NEW_YEAR = 1_609_459_200  # 2021-01-01T00:00:00Z in seconds


def texts(*cells: str | None) -> Texts:
    return Texts(np.array(cells, dtype=object))


def read(column: Column, *, canonical: bool = False, **options: Any) -> list[int | None]:
    times, bad = TimeReader(TapeOptions(**options), canonical=canonical).read(column)
    return [None if b else t for t, b in zip(times.tolist(), bad.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2021-01-01T00:00:00.123456789Z", NEW_YEAR * S + 123_456_789),
        ("2021-01-01 00:00:00.295000+00:00", NEW_YEAR * S + 295_000_000),
        ("2021-01-01T01:00:00+01:00", NEW_YEAR * S),
        ("2021-01-01 00:00", NEW_YEAR * S),
        ("2021-01-01", NEW_YEAR * S),
        ("20210101", NEW_YEAR * S),
        ("20210101 000000065", NEW_YEAR * S + 65_000_000),
        ("20210101 000001", (NEW_YEAR + 1) * S),
        ("1609459200", NEW_YEAR * S),
        ("1609459200.123456789", NEW_YEAR * S + 123_456_789),
        ("1609459200000.5", NEW_YEAR * S + 500_000),
        ("1609459200000001", NEW_YEAR * S + 1_000),
        ("1609459200000000001", NEW_YEAR * S + 1),
    ],
)
def test_common_forms_are_recognised(text: str, ns: int) -> None:
    assert read(texts(None, text, "junk")) == [None, ns, None]


@pytest.mark.parametrize(
    ("number", "ns"),
    [
        (NEW_YEAR, NEW_YEAR * S),
        (NEW_YEAR * 1_000 + 1, NEW_YEAR * S + 1_000_000),
        (NEW_YEAR * 1_000_000 + 1, NEW_YEAR * S + 1_000),
        (NEW_YEAR * S + 1, NEW_YEAR * S + 1),
        (20210101, NEW_YEAR * S),
        (float(NEW_YEAR) + 0.5, NEW_YEAR * S + S // 2),
    ],
)
def test_numbers_are_recognised_by_their_size(number: float, ns: int) -> None:
    assert read(Numbers(np.array([number, number]), np.array([True, False]))) == [None, ns]


def test_the_unit_is_settled_by_the_first_row_for_the_whole_file() -> None:
    reader = TimeReader(TapeOptions(), canonical=False)
    assert reader.read(Numbers(np.array([NEW_YEAR])))[0].tolist() == [NEW_YEAR * S]
    assert reader.read(Numbers(np.array([9]), None))[0].tolist() == [9 * S]
    assert reader.read(texts("10.5", "x"))[0].tolist() == [10 * S + S // 2, 0]


def test_junk_before_the_first_time_settles_nothing() -> None:
    reader = TimeReader(TapeOptions(), canonical=False)
    assert reader.read(texts(None, "soon"))[1].tolist() == [True, True]
    times, bad = reader.read(texts("later", str(NEW_YEAR * S)))
    assert (times.tolist()[1], bad.tolist()) == (NEW_YEAR * S, [True, False])


def test_small_numbers_are_nanoseconds_where_the_column_is_canonical_and_else_not_guessed() -> None:
    assert read(Numbers(np.array([1, 2])), canonical=True) == [1, 2]
    assert read(Numbers(np.array([1, 2]))) == [None, None]
    assert read(Numbers(np.array([1, 2])), time_format="s") == [S, 2 * S]


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 10**13])
def test_numbers_beyond_64_bits_of_nanoseconds_are_no_time(number: int) -> None:
    assert read(Numbers(np.array([number])), time_format="s") == [None]


def test_a_format_of_the_users_own_is_obeyed() -> None:
    given_format = "%d.%m.%Y %H:%M:%S.%f"
    column = texts("01.01.2021 00:00:00.000000007", "2021-01-01")
    assert read(column, time_format=given_format) == [NEW_YEAR * S + 7, None]


def test_times_without_a_zone_are_in_the_zone_told() -> None:
    column = texts("2020-12-31 19:00", "2021-01-01T00:00Z", "2020-12-31", None)
    assert read(column, time_zone="America/New_York") == [
        NEW_YEAR * S, NEW_YEAR * S, (NEW_YEAR - 19 * 3_600) * S, None,
    ]  # fmt: skip


def test_local_times_that_a_clock_change_skips_or_repeats_are_none() -> None:
    column = texts("2021-03-14 02:30", "2021-11-07 01:30", "2021-11-07 03:00")
    assert [t is None for t in read(column, time_zone="America/New_York")] == [True, True, False]


def test_typed_times_are_taken_as_they_are_or_placed_in_the_zone_told() -> None:
    values = np.array([NEW_YEAR * S, 0])
    missing = np.array([False, True])
    zone = "America/New_York"
    assert read(Instants(values, True, False, missing), time_zone=zone) == [NEW_YEAR * S, None]
    local = read(Instants(values, False, False, missing), time_zone=zone)
    assert local == [(NEW_YEAR + 5 * 3_600) * S, None]


@pytest.mark.parametrize("text", ["", "soon", "2021-13-01", "9999-01-01", "1e9", "-5"])
def test_what_is_no_time_is_told(text: str) -> None:
    assert read(texts(text)) == [None]


@pytest.mark.parametrize(
    ("column", "dates"),
    [(texts("2021-01-01"), True), (texts("2021-01-01 00:00"), False), (texts("16094592"), False)],
)
def test_whole_days_are_told_from_times(column: Column, dates: bool) -> None:
    reader = TimeReader(TapeOptions(), canonical=True)
    reader.read(column)
    assert reader.dates is dates


@given(st.lists(st.integers(2 * 10**17, 2**63 - 1), min_size=1))
def test_nanoseconds_come_back_exactly_from_numbers_decimals_and_iso(times: list[int]) -> None:
    assert read(Numbers(np.array(times)), canonical=True) == times
    assert read(texts(*(f"{t // S}.{t % S:09}" for t in times)), time_format="s") == times
    iso = [f"{datetime.fromtimestamp(t // S, UTC):%Y-%m-%dT%H:%M:%S}.{t % S:09}Z" for t in times]
    assert read(texts(*iso)) == times
