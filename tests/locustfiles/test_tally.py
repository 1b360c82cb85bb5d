from __future__ import annotations

from feed.client.events import Disorder, Gap
from feed.ticks import Quote, Tick
from locustfiles.tally import TICK_LATENCY, Load, Tally, decode


def quote(ts_out: int) -> Tick:
    return Quote("A", 1, 1, 1.0, 1, 1.5, 1, ts_out)


def counted(ticks: int) -> Tally:
    tally = Tally()
    tally.arrived([quote(100)] * ticks, 1_100, TICK_LATENCY, delayed_ns=10_000)
    tally.fault("gap", ticks, f"after {ticks}")
    tally.loads["worker 0"] = Load(wall_s=1.0, steady_ticks=ticks, steady_s=1.0)
    return tally


def test_ticks_of_one_burst_are_counted_by_their_own_latency() -> None:
    tally = Tally()
    tally.arrived(
        [quote(100), quote(100), quote(1_000), quote(100)], 1_100, TICK_LATENCY, delayed_ns=500
    )
    buckets = list(tally.histogram(TICK_LATENCY).buckets())
    assert [bucket.times for bucket in buckets] == [1, 3]
    assert tally.faults == {"delayed": 3}
    assert tally.examples == {"delayed": "A by 0.0 ms"}


def latencies(ticks: list[int], since_ns: int) -> list[int]:
    tally = Tally()
    tally.arrived(
        [quote(own) for own in ticks], 1_016, TICK_LATENCY, delayed_ns=10**9, since_ns=since_ns
    )
    found = tally.histogram(TICK_LATENCY).buckets()
    return [bucket.low_ns for bucket in found for _ in range(bucket.times)]


def test_what_a_late_reader_finds_has_travelled_as_fast_as_its_end() -> None:
    assert latencies([100, 500, 1_000], since_ns=50) == [16, 16, 16]


def test_what_was_not_there_when_we_looked_has_come_since() -> None:
    assert latencies([984, 1_000], since_ns=1_008) == [16, 24]
    assert latencies([984, 1_000], since_ns=1_016) == [16, 32]


def test_a_tick_that_comes_after_all_is_reordered_and_no_gap() -> None:
    tally = Tally()
    tally.loss(Gap("quotes", "A", 5, 7))
    tally.loss(Disorder("quotes", "A", 6, "late"))
    tally.loss(Disorder("quotes", "A", 4, "duplicate"))
    assert tally.faults == {"gap": 2, "reordered": 1, "duplicate": 1}
    assert tally.examples["gap"] == "quotes A seq 5 to 7"


def test_what_workers_hand_on_adds_up() -> None:
    total, worker = Tally(), counted(3)
    total.merge(decode(worker.take().encode()))
    assert worker == Tally()
    total.merge(decode(counted(4).encode()))
    assert (total.ticks, total.faults, total.examples) == (7, {"gap": 7}, {"gap": "after 3"})
    assert total.histogram(TICK_LATENCY).total == 7
    assert total.rate == 3.5
