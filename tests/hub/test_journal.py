from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.index import Index
from feed.hub.journal import TICK_BYTES, Journal
from feed.protocol.codec import encode, pack_tick
from feed.ticks import Tick
from tests.fakes import quote


class Kept:
    """A journal, and the streams it remembers."""

    def __init__(self, ticks_per_stream: int, limit_ticks: int) -> None:
        self.journal = Journal(ticks_per_stream, limit_ticks * TICK_BYTES)
        self.index = Index(self.journal.open)

    def publish(self, *symbols: str) -> None:
        ticks: list[Tick] = [quote(symbol) for symbol in symbols]
        for tick in ticks:
            stream = self.index.stream_of(tick)
            stream.seq += 1
            tick.seq = stream.seq
            stream.keep(
                (encode if tick.seq % 3 else pack_tick)(tick)
            )  # somebody listens now and then

    def seqs(self, symbol: str, first_seq: int, count: int = 10_000) -> list[int] | None:
        ticks = self.journal.since(self.index.stream("quotes", symbol), first_seq, count)
        payloads = self.journal.payloads(self.index.stream("quotes", symbol), first_seq, count)
        assert payloads == (None if ticks is None else [encode(tick) for tick in ticks])
        return None if ticks is None else [tick.seq for tick in ticks]


def test_ticks_are_given_from_a_seq_on_in_order_and_in_parts() -> None:
    kept = Kept(100, 1000)
    kept.publish(*"AAAAA")
    assert kept.seqs("A", 3) == [3, 4, 5]
    assert kept.seqs("A", 3, count=2) == [3, 4]
    assert kept.seqs("A", 6) == []


def test_a_seq_that_is_no_longer_held_is_none() -> None:
    kept = Kept(3, 1000)
    kept.publish(*"AAAAA")
    assert kept.seqs("A", 2) is None
    assert kept.seqs("A", 3) == [3, 4, 5]


def test_the_oldest_seq_that_is_kept_is_told() -> None:
    kept = Kept(3, 1000)
    stream = kept.index.stream("quotes", "A")
    assert kept.journal.first_seq(stream) == 1
    kept.publish("A")
    assert kept.journal.first_seq(stream) == 1
    kept.publish(*"AAAA")
    assert kept.journal.first_seq(stream) == 3


def test_a_stream_without_ticks_misses_nothing() -> None:
    assert Kept(3, 1000).seqs("A", 1) == []


@given(
    st.lists(st.lists(st.sampled_from("ABC"), min_size=1, max_size=40), max_size=60),
    st.integers(1, 50),
    st.integers(50, 200),
)
def test_both_bounds_hold_and_what_is_held_has_no_hole(
    bursts: list[list[str]], ticks_per_stream: int, limit_ticks: int
) -> None:
    kept = Kept(ticks_per_stream, limit_ticks)
    for symbols in bursts:
        kept.publish(*symbols)
        streams = list(kept.index.streams())
        assert all(own.held <= ticks_per_stream for own in streams)
        assert kept.journal.held_bytes <= limit_ticks * TICK_BYTES
        for stream in streams:
            first_seq = stream.seq - stream.held + 1
            assert kept.seqs(stream.symbol, first_seq) == list(range(first_seq, stream.seq + 1))
            if first_seq > 1:
                assert kept.seqs(stream.symbol, first_seq - 1) is None


def test_streams_of_any_rate_go_back_about_as_far() -> None:
    kept = Kept(100_000, 10_000)
    for _ in range(10_000):
        kept.publish(*"AAAAAAAAB")
    often, seldom = (own.held for own in kept.index.streams())
    assert 7 < often / seldom < 11


def test_a_stream_that_fell_silent_makes_room() -> None:
    kept = Kept(100_000, 1_000)
    kept.publish(*"A" * 900)
    for _ in range(100):
        kept.publish(*"B" * 100)
    silent, busy = (own.held for own in kept.index.streams())
    assert silent == 0
    assert busy > 800
