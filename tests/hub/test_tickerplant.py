from __future__ import annotations

from feed.hub.index import Index
from feed.hub.stream import Stream
from feed.hub.tickerplant import Tickerplant, new_epoch
from feed.ticks import Tick
from tests.fakes import FakeClock, quote, trade


class Bus:
    """Keeps what is forwarded."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.streams: list[Stream] = []

    def forward(self, ticks: list[Tick], streams: list[Stream]) -> None:
        self.ticks += ticks
        self.streams += streams


def plant_of(bus: Bus, clock: FakeClock | None = None) -> Tickerplant:
    return Tickerplant(Index(), bus.forward, clock or FakeClock())


def test_each_stream_is_numbered_from_one_without_a_hole() -> None:
    bus = Bus()
    plant = plant_of(bus)
    plant.publish([quote("A"), quote("B"), trade("A"), quote("A")])
    plant.publish([quote("A"), trade("A")])
    assert [(own.symbol, type(own).__name__, own.seq) for own in bus.ticks] == [
        ("A", "Quote", 1),
        ("B", "Quote", 1),
        ("A", "Trade", 1),
        ("A", "Quote", 2),
        ("A", "Quote", 3),
        ("A", "Trade", 2),
    ]


def test_a_burst_is_stamped_with_the_time_of_publishing_and_keeps_its_event_time() -> None:
    clock, bus = FakeClock(), Bus()
    plant = plant_of(bus, clock)
    plant.publish([quote()])
    clock.wall_ns = 2_000
    plant.publish([quote()])
    assert [(own.ts_event, own.ts_out) for own in bus.ticks] == [(5, 1_000), (5, 2_000)]


def test_a_source_cannot_choose_its_own_seq() -> None:
    bus = Bus()
    forged = quote()
    forged.seq = 99
    plant_of(bus).publish([forged])
    assert bus.ticks[0].seq == 1


def test_each_tick_is_forwarded_with_its_own_stream() -> None:
    bus = Bus()
    plant_of(bus).publish([quote("A"), trade("A"), quote("B")])
    named = [(own.channel, own.symbol) for own in bus.streams]
    assert named == [("quotes", "A"), ("trades", "A"), ("quotes", "B")]


def test_no_two_numberings_share_an_epoch() -> None:
    assert len({new_epoch() for _ in range(100)}) == 100
