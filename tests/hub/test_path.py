"""What holds of the path of a tick, in Python and in C; without a compiler, of Python alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from feed.hub import path
from feed.hub.cohort import Cohort
from feed.hub.index import Index
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.protocol.codec import encode, encode_ticks, pack_tick
from feed.ticks import Bar, Status, Tick
from tests.fakes import frames, quote, trade


class Path(NamedTuple):
    pending: Any
    stamp: Any
    keep: Any
    fan_out: Any
    send_out: Any
    heads: Any


IN_PYTHON = Path(*path.IN_PYTHON)
IN_C = Path(path.Pending, path.stamp, path.keep, path.fan_out, path.send_out, path.heads)
both = pytest.mark.parametrize("own", [IN_PYTHON] + ([IN_C] if path.IN_C else []))
compiled = pytest.mark.skipif(not path.IN_C, reason="needs the compiled module")


def stream_with(*takers: Any) -> Stream:
    stream = Stream("quotes", "A")
    stream.takers = takers
    return stream


@both
def test_a_burst_is_numbered_per_stream_and_stamped(own: Path) -> None:
    index = Index()
    ticks: list[Tick] = [quote("A"), quote("B"), trade("A"), quote("A")]
    streams = own.stamp(ticks, index.by_kind, index.stream_of, 77)
    assert [(tick.seq, tick.ts_out) for tick in ticks] == [(1, 77), (1, 77), (1, 77), (2, 77)]
    assert [(each.channel, each.symbol) for each in streams] == [
        ("quotes", "A"),
        ("quotes", "B"),
        ("trades", "A"),
        ("quotes", "A"),
    ]
    assert [each.seq for each in streams] == [2, 1, 1, 2]
    own.stamp([again := quote("A")], index.by_kind, index.stream_of, 78)
    assert (again.seq, again.ts_out) == (3, 78)


@both
def test_ticks_that_nobody_hears_are_kept_packed(own: Path) -> None:
    index = Index()
    ticks: list[Tick] = [quote("A"), quote("B"), trade("B"), trade("A")]
    streams = own.stamp(ticks, index.by_kind, index.stream_of, 5)
    streams[1].takers = None
    streams[2].takers = (own.pending(batched=False),)
    wanted, heard, events = own.keep(ticks, streams, pack_tick)
    assert [id(tick) for tick in wanted] == [id(ticks[1]), id(ticks[2])]
    assert heard == streams[1:3]
    assert [id(tick) for tick in events] == [id(ticks[2]), id(ticks[3])]
    newest = [pack_tick(ticks[0]), None, None, pack_tick(ticks[3])]
    assert [stream.newest for stream in streams] == newest


@both
def test_a_payload_is_kept_and_goes_to_all_of_its_takers_and_to_nobody_else(own: Path) -> None:
    one, two, three = (own.pending(batched=False) for _ in range(3))
    first, second, third, nobody = (stream_with(*t) for t in ((one, two), (two,), (three,), ()))
    assert own.fan_out([b"x", b"y"], [first, second]) == [one, two]
    assert own.fan_out([b"z", b"-"], [third, nobody]) == [three]
    told = [[payload for _, payload in frames(each.buffer())] for each in (one, two, three)]
    assert told == [[b"x"], [b"x", b"y"], [b"z"]]
    assert [each.newest for each in (first, second, third, nobody)] == [b"x", b"y", b"z", b"-"]


@both
def test_takers_that_have_changed_are_found_again(own: Path) -> None:
    pending = own.pending(batched=False)
    stream = Stream("quotes", "A")
    stream.cohorts[pending] = None
    stream.takers = None
    own.fan_out([b"x"], [stream])
    stream.cohorts.clear()  # without word of it
    own.fan_out([b"y"], [stream])
    assert pending.payloads() == [b"x", b"y"]


def test_cohorts_keep_what_somebody_did_not_take() -> None:
    def target(room: int) -> Callable[[bytes], int]:
        return lambda buffer: min(room, len(buffer))

    cohorts: list[Any] = [Cohort(Subscriptions(), batched=False) for _ in range(4)]
    whole, short, late, _ = cohorts
    whole.current = {"a": target(999), "b": target(999)}
    short.current = {"c": target(1), "d": target(999)}
    late.current, late.behind = {"e": target(99)}, {"f": None}
    for cohort, payload in ((whole, encode(trade())), (short, encode(trade())), (late, b"x")):
        path.fan_out([payload], [stream_with(cohort)])
    ticks, size, left = path.send_out(cohorts)
    assert (ticks, size) == ((0, 4, 0, 2), 0)
    told: list[Any] = [(cohort, list(who)) for cohort, who in left]
    assert told == [(short, [("c", 1)]), (late, [])]
    assert [cohort.count for cohort in cohorts] == [0, 1, 1, 0]


@both
def test_each_tick_has_its_stream(own: Path) -> None:
    with pytest.raises(ValueError, match=r"stream|zip"):
        own.keep([quote()], [], pack_tick)
    with pytest.raises(ValueError, match=r"stream|zip"):
        own.fan_out([b"x", b"y"], [stream_with()])


@both
def test_what_finding_a_stream_raises_is_raised(own: Path) -> None:
    def stream_of(tick: Tick) -> Stream:
        raise LookupError(tick.symbol)

    ticks = [quote()]
    with pytest.raises(LookupError):
        own.stamp(ticks, Index().by_kind, stream_of, 5)


SYMBOLS = st.text("ABC.-_/:0", min_size=1, max_size=20)
SEQS = st.integers(1, 2**63 - 1)
TICKS = st.one_of(
    st.builds(lambda symbol, seq: replace(quote(symbol), seq=seq), SYMBOLS, SEQS),
    st.builds(lambda symbol, seq: replace(trade(symbol), seq=seq), SYMBOLS, SEQS),
    st.builds(
        lambda symbol, seq: Bar(symbol, seq, "1s", 0, 1, 2, 1, 2, 5, 1.5, 2, 0), SYMBOLS, SEQS
    ),
    st.builds(Status, SYMBOLS, SEQS, SEQS, st.just("halted"), st.just('","symbol":"X'), SEQS),
)


@both
@given(st.lists(TICKS))
def test_a_payload_tells_its_stream_and_its_seq(own: Path, ticks: list[Tick]) -> None:
    index = Index()
    streams = [index.stream_of(tick) for tick in ticks]
    told = own.heads(encode_ticks(ticks), index.ticked)
    assert told == [(stream, tick.seq) for stream, tick in zip(streams, ticks, strict=True)]


@both
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b'{"type":"quote","symbol":"A"}',
        b'{"type":"quote","symbol":"A","seq":',
        b'{"type":"quote","symbol":"A","seq":1',
        b'{"type":"quote","symbol":"A","seq":,"x":1}',
        b'{"type":"quote","symbol":"A","seq":-1,"x":1}',
        b'{"type":"quote","seq":1,"symbol":"A"}',
        b'{"type":"trade","symbol":"A","seq":1,"x":1}',
        pack_tick(quote("A")),
    ],
)
def test_what_tells_no_stream_is_refused(own: Path, payload: bytes) -> None:
    index = Index()
    index.begin("quotes", "A")
    with pytest.raises((ValueError, KeyError)):
        own.heads([payload], index.ticked)


@compiled
def test_what_is_in_c_refuses_what_it_cannot_read() -> None:
    pending = path.Pending(batched=False)
    broken = stream_with()
    broken.takers = [pending]  # type: ignore[assignment]
    calls: list[Callable[[], object]] = [
        lambda: IN_C.fan_out(["x"], [stream_with()]),
        lambda: IN_C.fan_out([b"x"], [None]),
        lambda: IN_C.fan_out([b"x"], [stream_with(None)]),
        lambda: IN_C.fan_out([b"x"], [broken]),
        lambda: IN_C.keep([quote()], [object()], pack_tick),
        lambda: IN_C.stamp([1], {int: {}}, None, 5),
        lambda: IN_C.stamp([quote()], {}, None, 5),
        lambda: IN_C.stamp([quote("A")], {type(quote()): {"A": 7}}, None, 5),
        lambda: IN_C.heads([1], Index().ticked),
        lambda: IN_C.heads([], ()),
        lambda: IN_C.heads([], (1, 2, 3, 4)),
        lambda: IN_C.heads((), Index().ticked),
        lambda: IN_C.send_out([pending]),
        lambda: IN_C.send_out([quote()]),
        lambda: IN_C.send_out(()),
        lambda: pending.send([1]),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises((TypeError, AttributeError)):
            call()


@compiled
def test_what_is_in_c_holds_on_to_nothing() -> None:
    index, pending, payload = Index(), path.Pending(batched=True), b"x" * 50
    ticks: list[Tick] = [quote("A"), trade("A")]
    streams = IN_C.stamp(ticks, index.by_kind, index.stream_of, 5)
    encoded = encode_ticks(ticks)
    watched = [*ticks, *streams, payload, pending, *encoded]

    def counts() -> list[int]:
        return [sys.getrefcount(own) for own in watched]

    for stream in streams:
        stream.takers = (pending, pending)
    IN_C.keep(ticks, streams, pack_tick)
    before = counts()
    for _ in range(10):
        IN_C.stamp(ticks, index.by_kind, index.stream_of, 6)
        IN_C.keep(ticks, streams, pack_tick)
        IN_C.fan_out([payload, payload], streams)
        pending.payloads()
        pending.send({"nobody": len})
        pending.clear()
        IN_C.heads(encoded, index.ticked)
    assert counts() == before
