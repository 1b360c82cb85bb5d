from __future__ import annotations

from feed.hub.tickerplant import Tickerplant, new_epoch
from feed.ticks import Tick
from tests.fakes import FakeClock, quote, trade


def test_each_stream_is_numbered_from_one_without_a_hole() -> None:
    published: list[Tick] = []
    plant = Tickerplant(published.extend, FakeClock())
    plant.publish([quote("A"), quote("B"), trade("A"), quote("A")])
    plant.publish([quote("A"), trade("A")])
    assert [(own.symbol, type(own).__name__, own.seq) for own in published] == [
        ("A", "Quote", 1),
        ("B", "Quote", 1),
        ("A", "Trade", 1),
        ("A", "Quote", 2),
        ("A", "Quote", 3),
        ("A", "Trade", 2),
    ]


def test_a_burst_is_stamped_with_the_time_of_publishing_and_keeps_its_event_time() -> None:
    clock, published = FakeClock(), list[Tick]()
    plant = Tickerplant(published.extend, clock)
    plant.publish([quote()])
    clock.wall_ns = 2_000
    plant.publish([quote()])
    assert [(own.ts_event, own.ts_out) for own in published] == [(5, 1_000), (5, 2_000)]


def test_a_source_cannot_choose_its_own_seq() -> None:
    published: list[Tick] = []
    forged = quote()
    forged.seq = 99
    Tickerplant(published.extend, FakeClock()).publish([forged])
    assert published[0].seq == 1


def test_no_two_numberings_share_an_epoch() -> None:
    assert len({new_epoch() for _ in range(100)}) == 100
