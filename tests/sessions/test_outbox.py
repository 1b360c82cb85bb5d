from __future__ import annotations

from feed.hub.cohort import Cohort, Segment
from feed.hub.path import fan_out
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.protocol.codec import encode, encode_ticks
from feed.protocol.frames import text_frame
from feed.protocol.messages import Snapshot
from feed.sessions.catchup import CatchUp, Past
from feed.sessions.outbox import Account, Outbox
from feed.ticks import Tick, Trade
from tests.fakes import frames, quote, trade


class Owed:
    """An outbox, and the streams behind it."""

    def __init__(self, watermark_bytes: int = 100_000) -> None:
        self.streams = {name: Stream(name, "A") for name in ("quotes", "trades")}
        past = Past(self.snapshot, lambda stream, first_seq, count: None)
        self.outbox = Outbox(
            Account(False, watermark_bytes, lambda stream: not stream.is_event),
            CatchUp(past, batched=False, positions={}),
        )

    def stream_of(self, tick: Tick) -> Stream:
        return self.streams["trades" if isinstance(tick, Trade) else "quotes"]

    def snapshot(self, symbol: str, channels: tuple[str, ...]) -> bytes:
        seqs = {name: self.streams[name].seq for name in channels}
        return text_frame(encode(Snapshot(symbol, seqs)))

    def segment(self, *ticks: Tick) -> Segment:
        for tick in ticks:
            stream = self.stream_of(tick)
            stream.seq += 1
            tick.seq = stream.seq
            stream.keep(encode(tick))
        payloads = encode_ticks(list(ticks))
        cohort, stream = Cohort(Subscriptions(), batched=False), Stream("quotes", "S")
        stream.takers = (cohort,)
        fan_out(payloads, [stream] * len(payloads))
        return Segment(cohort, (*({"A": own} for own in self.streams.values()), {}, {}))

    def take_all(self) -> list[bytes]:
        taken = b""
        while not self.outbox.empty:
            chunk = bytes(self.outbox.next_bytes())
            taken += chunk
            self.outbox.sent(len(chunk))
        assert self.outbox.queued_bytes == 0
        return [payload for _, payload in frames(taken)]


def test_below_the_watermark_segments_go_out_as_they_are() -> None:
    owed = Owed()
    first, second = owed.segment(quote(), trade()), owed.segment(quote())
    owed.outbox.add_segment(first)
    owed.outbox.add_segment(second)
    assert owed.outbox.queued_bytes == len(first.buffer) + len(second.buffer)
    assert owed.outbox.next_bytes() == first.buffer
    assert len(owed.take_all()) == 3


def test_a_frame_that_was_sent_in_part_is_completed_first_whatever_happens_then() -> None:
    owed = Owed(watermark_bytes=10)
    segment = owed.segment(*(quote() for _ in range(3)))
    sent = len(segment.buffer) // 3 + 5
    owed.outbox.add_segment(segment, sent)
    owed.outbox.add_control(text_frame(b"{}"))
    rest = bytes(owed.outbox.next_bytes())
    assert [payload for _, payload in frames(segment.buffer[:sent] + rest)] == encode_ticks(
        [quote_at(1), quote_at(2)]
    )


def quote_at(seq: int) -> Tick:
    tick = quote()
    tick.seq = seq
    return tick


def test_control_messages_go_before_queued_ticks() -> None:
    owed = Owed()
    owed.outbox.add_segment(owed.segment(quote()))
    owed.outbox.add_control(text_frame(b"{}"))
    assert owed.take_all()[0] == b"{}"


def test_above_the_watermark_state_becomes_a_notice_and_the_newest_and_events_are_kept() -> None:
    owed = Owed(watermark_bytes=300)
    owed.outbox.add_segment(owed.segment(quote(), trade(), quote(), trade(), quote()))
    kinds = [payload.split(b'"')[3] for payload in owed.take_all()]
    assert kinds == [b"trade", b"trade", b"skipped", b"quote"]
    assert owed.outbox.conflated_ticks == 2


def test_conflated_state_is_read_from_the_stream_when_it_goes_out() -> None:
    owed = Owed(watermark_bytes=10)
    owed.outbox.add_segment(owed.segment(quote()))
    owed.segment(quote(bid=9.0))
    assert owed.take_all()[-1] == encode(owed.streams["quotes"].last)


def test_ticks_of_a_stream_that_awaits_its_snapshot_are_left_to_it() -> None:
    owed = Owed()
    owed.outbox.catch_up.add_snapshots({"A": ("quotes",)})
    owed.outbox.add_segment(owed.segment(quote(), trade()))
    kinds = [payload.split(b'"')[3] for payload in owed.take_all()]
    assert sorted(kinds) == [b"snapshot", b"trade"]


def test_what_was_unsubscribed_is_forgotten() -> None:
    owed = Owed()
    owed.outbox.add_segment(owed.segment(quote(), trade()))
    owed.outbox.catch_up.add_snapshots({"A": ("trades",)})
    owed.outbox.forget({owed.streams["quotes"], owed.streams["trades"]})
    assert owed.outbox.empty
    assert owed.outbox.queued_bytes == 0


def test_giving_up_leaves_only_the_rest_of_the_frame_on_its_way() -> None:
    owed = Owed()
    segment = owed.segment(quote(), quote())
    owed.outbox.add_segment(segment, 3)
    owed.outbox.add_control(text_frame(b"{}"))
    [(_, payload)] = frames(segment.buffer[:3] + owed.outbox.only_rest())
    assert payload == encode_ticks([quote_at(1)])[0]
