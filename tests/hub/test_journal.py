from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.index import Index
from feed.hub.journal import TICK_BYTES, Journal
from feed.ticks import Tick
from tests.fakes import quote


class Kept:
    """A journal, and the streams it remembers."""

    def __init__(self, ticks_per_stream: int, limit_ticks: int) -> None:
        self.journal = Journal(
            ticks_per_stream, limit_ticks * TICK_BYTES, lambda: self.index.streams()
        )
        self.index = Index(self.journal.open)
        self.now_ns = 0

    def publish(self, *symbols: str, step_ns: int = 1) -> None:
        self.now_ns += step_ns
        ticks: list[Tick] = [quote(symbol) for symbol in symbols]
        for tick in ticks:
            stream = self.index.stream_of(tick)
            tick.ts_out = self.now_ns
            stream.seq += 1
            tick.seq = stream.seq
            stream.recent.append(tick)
        self.journal.count(ticks)

    def seqs(self, symbol: str, first_seq: int, count: int = 10_000) -> list[int] | None:
        ticks = self.journal.since(self.index.stream("quotes", symbol), first_seq, count)
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


def test_a_stream_without_ticks_misses_nothing() -> None:
    assert Kept(3, 1000).seqs("A", 1) == []


@given(
    st.lists(st.lists(st.sampled_from("ABC"), min_size=1, max_size=40), max_size=60),
    st.integers(1, 50),
    st.integers(50, 200),
    st.sampled_from([1, 0, -1]),
)
def test_both_bounds_hold_whatever_the_clock_does(
    bursts: list[list[str]], ticks_per_stream: int, limit_ticks: int, step_ns: int
) -> None:
    kept = Kept(ticks_per_stream, limit_ticks)
    for symbols in bursts:
        kept.publish(*symbols, step_ns=step_ns)
        streams = list(kept.index.streams())
        assert all(len(own.recent) <= ticks_per_stream for own in streams)
        assert kept.journal.held_bytes <= limit_ticks * TICK_BYTES
        for stream in streams:
            held = [tick.seq for tick in stream.recent]
            assert held == list(range(stream.seq - len(held) + 1, stream.seq + 1))


def test_the_oldest_ticks_go_first_whichever_stream_they_belong_to() -> None:
    kept = Kept(1000, 256)
    for _ in range(100):
        kept.publish("OLD")
    for _ in range(200):
        kept.publish("NEW")
    assert kept.seqs("NEW", 1) is not None
    assert kept.seqs("OLD", 1) is None
