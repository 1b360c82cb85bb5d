from __future__ import annotations

from feed.client.stats import SAMPLES, Latencies, Latency, Stats


def test_there_is_no_latency_before_the_first_tick() -> None:
    assert Stats().latency is None


def test_percentiles_are_in_milliseconds() -> None:
    latencies = Latencies()
    for each in range(100):
        latencies.add(each * 1_000_000)
    assert latencies.percentiles() == Latency(50.0, 90.0, 99.0)


def test_only_the_newest_samples_are_kept() -> None:
    latencies = Latencies()
    for latency_ns in [9_000_000] * SAMPLES + [1_000_000] * SAMPLES:
        latencies.add(latency_ns)
    assert latencies.percentiles() == Latency(1.0, 1.0, 1.0)
