from __future__ import annotations

from locustfiles.generator import complaints
from locustfiles.options import Thresholds
from locustfiles.tally import TICK_LATENCY, Load, Tally
from locustfiles.verdict import judge


def tally() -> Tally:
    """A run of 1,000 ticks in 10 s, each 10 ms on its way."""
    found = Tally(ticks=1_000, loads={"locust": Load(10.0, 2.0, steady_ticks=1_000, steady_s=10.0)})
    found.histogram(TICK_LATENCY).add(10_000_000, 1_000)
    return found


def test_a_run_that_keeps_to_all_thresholds_is_good() -> None:
    verdict = judge(tally(), Thresholds(11.0, 0, 99.0, 1.0), [])
    assert verdict.good
    assert not verdict.doubts


def test_each_threshold_fails_a_run() -> None:
    found = tally()
    found.fault("gap", 2, "quotes A seq 1 to 2")
    found.histogram("recover").add(2_000_000_000)
    verdict = judge(found, Thresholds(9.0, 1, 101.0, 1.0), ["the server counted more"])
    assert verdict.bad == [
        "2 gap: no tick, and no word of it (first: quotes A seq 1 to 2)",
        "p99 tick latency 10.00 ms is above --max-p99-ms 9",
        "100 ticks/s is below --min-ticks-per-s 101",
        "p99 of 'recover' 2.00 s is above --max-recovery-s 1",
        "the server counted more",
    ]


def test_gaps_that_are_allowed_do_not_fail_a_run() -> None:
    found = tally()
    found.fault("gap", 2, "quotes A seq 1 to 2")
    assert judge(found, Thresholds(max_gaps=2), []).good


def test_a_run_without_a_tick_is_not_good() -> None:
    assert judge(Tally(), Thresholds(), []).bad == ["nothing was measured: no tick came"]


def test_a_load_generator_at_its_limit_says_so() -> None:
    late = Load(10.0, 9.6, waited_s=2.0, busy_s=9.0)
    late.lag.add(80_000_000)
    assert complaints("worker 1", late) == [
        "worker 1: over 90% of a core for 9 of 10 s",
        "worker 1: its loop was late by 80 ms (p99)",
        "worker 1: it waited for a core for 20% of the time",
    ]
    assert judge(Tally(ticks=1, loads={"worker 1": late}), Thresholds(), []).doubts
