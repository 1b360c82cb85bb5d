"""tests/sessions/test_publishing.py has what a session is sent of its own ticks."""

from __future__ import annotations

from feed.hub.cohort import Cohort
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.sessions.own import OwnTicks
from feed.ticks import CHANNEL_OF, Tick
from tests.fakes import quote, trade


def test_a_run_ends_where_somebody_else_published() -> None:
    stream, own = Stream("quotes", "A"), OwnTicks()
    for stream.seq in (3, 4):
        own.add(stream, stream.seq)
    assert own.newest(stream) == 3
    stream.seq = 5
    assert own.newest(stream) is None
    stream.seq = 6
    own.add(stream, 6)
    assert own.newest(stream) == 6
    own.forget([stream])
    assert own.newest(stream) is None


def test_a_burst_is_sifted_into_notices_and_what_is_not_its_own() -> None:
    streams = {name: Stream(name, "A") for name in ("quotes", "trades")}
    cohort, own = Cohort(Subscriptions(), batched=False), OwnTicks()
    cohort.streams.update(dict.fromkeys(streams.values()))

    def stream_of(tick: Tick) -> Stream:
        return streams[CHANNEL_OF[type(tick)]]

    burst: list[Tick] = [quote(), trade(), quote(), trade(), quote()]
    for tick in burst:
        stream = stream_of(tick)
        tick.seq = stream.seq = stream.seq + 1
    mine = [burst[0], burst[1], burst[2], burst[4]]
    sifted = [
        (entry.stream.channel, entry.seq, entry.is_notice)
        for entry in own.sift(burst, mine, cohort, stream_of)
    ]
    assert sifted == [
        ("quotes", 1, True),
        ("trades", 1, True),
        ("trades", 2, False),
        ("quotes", 3, True),
    ]
    assert own.newest(streams["quotes"]) == 1
    assert own.newest(streams["trades"]) is None
    own.clear()
    assert own.newest(streams["quotes"]) is None


def test_of_what_is_not_subscribed_nothing_is_told() -> None:
    stream, own = Stream("quotes", "A"), OwnTicks()
    burst: list[Tick] = [quote(), quote()]
    cohort = Cohort(Subscriptions(), batched=False)
    assert list(own.sift(burst, burst[:1], cohort, lambda tick: stream)) == []
    assert own.newest(stream) is None
