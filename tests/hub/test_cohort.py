from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.cohort import Cohort, Segment
from feed.hub.index import Index
from feed.hub.interval import Interval
from feed.hub.path import Ticked, fan_out, send_out, stamp
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.protocol.codec import encode_ticks
from feed.protocol.frames import text_frame
from feed.ticks import Tick
from tests.fakes import FakeTransport, frames, quote


class Member(FakeTransport):
    """A session that notes what it was given to keep."""

    def __init__(self, room: int = 1 << 40) -> None:
        super().__init__(room)
        self.kept: list[tuple[Segment, int]] = []

    def fall_behind(self, segment: Segment, sent: int) -> None:
        self.kept.append((segment, sent))

    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        """Never happens here."""

    def offer(self, segment: Segment) -> None:
        self.kept.append((segment, 0))


def pend(cohort: Cohort, count: int) -> tuple[Ticked, list[bytes]]:
    ticks: list[Tick] = [quote(f"S{number}") for number in range(count)]
    index = Index()
    streams = stamp(ticks, index.by_kind, index.stream_of, 1)
    for stream in streams:
        stream.takers = (cohort,)
    fan_out(payloads := encode_ticks(ticks), streams)
    return index.ticked, payloads


def flush(cohort: Cohort, ticked: Ticked) -> int:
    ticks, _, left = send_out([cohort])
    for own, short in left:
        own.keep(ticked, short)
    return sum(ticks)


@given(st.integers(1, 40), st.booleans(), st.integers(0, 6000))
def test_what_a_short_write_left_is_one_rest_and_whole_ticks(
    count: int, batched: bool, room: int
) -> None:
    cohort, member = Cohort(Subscriptions(), batched=batched), Member(room)
    cohort.join(member, behind=False)
    ticked, payloads = pend(cohort, count)
    flush(cohort, ticked)
    if not member.kept:
        return
    [(segment, sent)] = member.kept
    rest, ticks = segment.after(sent)
    whole = frames(bytes(member.taken) + rest)
    told = [payload for _, payload in whole]
    if batched:
        assert told in ([], [b"[" + b",".join(payloads) + b"]"])
        told = payloads if told else []
    assert told + [own.payload for own in ticks] == payloads


def test_every_member_gets_the_same_bytes_and_the_pending_list_is_empty_after() -> None:
    cohort = Cohort(Subscriptions(), batched=False)
    members = [Member(), Member()]
    for member in members:
        cohort.join(member, behind=False)
    ticked, payloads = pend(cohort, 3)
    assert flush(cohort, ticked) == 6
    assert members[0].taken == members[1].taken == b"".join(map(text_frame, payloads))
    assert cohort.count == 0


def test_a_member_that_is_behind_is_not_written_to_until_it_has_caught_up() -> None:
    cohort, member = Cohort(Subscriptions(), batched=False), Member()
    cohort.join(member, behind=True)
    flush(cohort, pend(cohort, 1)[0])
    assert not member.taken
    assert len(member.kept) == 1
    cohort.caught_up(member)
    flush(cohort, pend(cohort, 1)[0])
    assert member.taken


def test_a_segment_knows_its_ticks_and_where_each_stream_begins() -> None:
    cohort, index = Cohort(Subscriptions(), batched=True), Index()
    ticks: list[Tick] = [quote("A"), quote("B"), quote("A")]
    streams = stamp(ticks, index.by_kind, index.stream_of, 1)
    for stream in streams:
        stream.takers = (cohort,)
    fan_out(payloads := encode_ticks(ticks), streams)
    segment = Segment(cohort, index.ticked)
    assert [own.payload for own in segment.whole] == payloads
    assert segment.firsts == {streams[0]: 1, streams[1]: 1}
    assert segment.after(0) == (b"", segment.whole)
