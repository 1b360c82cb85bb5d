"""Counts into the rows of Locust's own table, charts, CSV and HTML, many ticks at a time."""

from __future__ import annotations

import time
from typing import Any, Final

from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry, StatsError

from locustfiles.histogram import Histogram
from locustfiles.tally import (
    AS_READ,
    END_TO_END,
    FAULTS,
    INTER_ARRIVAL,
    RESUMED_AGE,
    TICK_LATENCY,
    Tally,
)

AGES: Final = (AS_READ, INTER_ARRIVAL, RESUMED_AGE, END_TO_END)
"""Histograms with rows of their own; the others of ticks also make up Locust's total."""


def fine_response_time(response_time_ms: float) -> float:
    """Round to two digits, also below 1 ms; Locust's own rounding makes 0 of a good latency."""
    return float(f"{response_time_ms:.2g}")


def install() -> None:
    """Let Locust keep fractions of a millisecond."""
    locust_stats.bucket_response_time = fine_response_time  # type: ignore[assignment]


def add(stats: RequestStats, tally: Tally, ripe_gaps: int) -> None:
    """Add what was counted in about a second.

    Args:
        ripe_gaps: those to tell now; a younger gap may yet turn out to be a reordering.
    """
    for name, histogram in tally.histograms.items():
        if name in AGES or name.endswith(TICK_LATENCY):
            entry = _ticks(stats, name, histogram)
            stats.get(name, "TICK").extend(entry)
            if name not in AGES:
                stats.total.extend(entry)
    for name, count in {**tally.faults, "gap": ripe_gaps}.items():
        if count > 0:
            _failures(stats, name, count)


def _ticks(stats: RequestStats, name: str, histogram: Histogram) -> StatsEntry:
    entry = StatsEntry(stats, name, "TICK")
    entry.num_requests = histogram.total
    entry.num_reqs_per_sec[int(time.time())] = histogram.total
    entry.last_request_timestamp = time.time()
    total_ms = 0.0
    counts: Any = entry.response_times
    for low_ns, high_ns, count in histogram.buckets():
        middle_ms = (low_ns + high_ns) / 2e6
        counts[fine_response_time(middle_ms)] += count
        total_ms += middle_ms * count
    edges = [bucket.low_ns for bucket in histogram.buckets()]
    shown: Any = entry  # Locust says int, and keeps floats
    shown.total_response_time = total_ms
    shown.min_response_time = edges[0] / 1e6 if edges else None
    shown.max_response_time = histogram.max_ns / 1e6
    return entry


def _failures(stats: RequestStats, name: str, count: int) -> None:
    text = FAULTS[name]
    entry = StatsEntry(stats, name, "FAULT")
    entry.num_requests = entry.num_failures = entry.num_none_requests = count
    entry.num_fail_per_sec[int(time.time())] = count
    entry.last_request_timestamp = time.time()
    stats.get(name, "FAULT").extend(entry)
    stats.total.num_failures += count
    key = StatsError.create_key("FAULT", name, text)
    error = stats.errors.setdefault(key, StatsError("FAULT", name, text))
    error.occurred()
    error.occurrences += count - 1
