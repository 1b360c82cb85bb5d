from __future__ import annotations

import orjson

from feed.hub.stream import Stream
from feed.protocol.codec import encode, encode_ticks
from feed.protocol.frames import text_frame
from feed.protocol.messages import Snapshot
from feed.sessions.catchup import CatchUp, Past, within
from feed.ticks import Tick
from tests.fakes import frames, quote


class Source:
    """A log of two streams, of which the first seqs may be gone."""

    def __init__(self, first_held: int = 1, count: int = 3) -> None:
        self.stream, self.other = Stream("quotes", "A"), Stream("trades", "A")
        self.first_held = first_held
        self.ticks: list[Tick] = []
        for seq in range(1, count + 1):
            tick = quote("A")
            tick.seq = self.stream.seq = seq
            self.stream.keep(encode(tick))
            self.ticks.append(tick)
        self.positions: dict[Stream, int] = {}
        self.catch_up = CatchUp(
            Past(self.snapshot, self.since), batched=False, positions=self.positions
        )

    def snapshot(self, symbol: str, channels: tuple[str, ...]) -> bytes:
        return text_frame(encode(Snapshot(symbol, dict.fromkeys(channels, self.stream.seq))))

    def since(self, stream: Stream, first_seq: int, count: int) -> list[bytes] | None:
        if first_seq < self.first_held:
            return None
        return encode_ticks(self.ticks[first_seq - 1 : first_seq - 1 + count])

    def read(self, *, newest: bool = True) -> list[tuple[object, ...]]:
        whole = b"".join(self.catch_up.frames(1 << 20, newest=newest))
        told = [orjson.loads(payload) for _, payload in frames(whole)]
        names = ("type", "seq", "from_seq", "to_seq", "first_seq", "last_seq", "complete")
        return [tuple(own[name] for name in names if name in own) for own in told]


def test_a_resume_reads_the_journal_and_then_says_so() -> None:
    source = Source()
    source.catch_up.add_resume(source.stream, 2)
    assert source.read() == [("quote", 2), ("quote", 3), ("resumed", 2, 3, True)]
    assert not source.catch_up


def test_a_resume_goes_on_with_ticks_that_come_while_it_runs() -> None:
    source = Source(count=1000)
    source.catch_up.add_resume(source.stream, 1)
    first = list(source.catch_up.frames(1, newest=True))
    assert 0 < len(first) < 1000
    assert source.read()[-1] == ("resumed", 1, 1000, True)


def test_what_the_journal_lost_is_told_exactly_and_a_snapshot_goes_with_it() -> None:
    source = Source(first_held=3)
    source.catch_up.add_resume(source.stream, 2)
    assert source.read() == [("resumed", 2, 3, False), ("snapshot",)]


def test_a_client_of_another_numbering_is_told_that_everything_is_lost() -> None:
    source = Source()
    source.catch_up.add_lost(source.stream)
    assert source.read() == [("resumed", 1, 3, False), ("snapshot",)]


def test_conflated_state_is_one_notice_and_the_newest_tick() -> None:
    source = Source()
    source.positions[source.stream] = 0
    source.catch_up.add_newest(source.stream, 1)
    assert source.read(newest=False) == []
    assert source.read() == [("skipped", 1, 2), ("quote", 3)]
    assert source.catch_up.conflated_ticks == 2
    assert source.positions == {source.stream: 3}


def test_what_is_owed_already_is_owed_from_where_it_was() -> None:
    source = Source()
    source.catch_up.add_newest(source.stream, 1)
    source.catch_up.add_later({source.stream: 3, source.other: 1})
    assert source.read() == [("skipped", 1, 2), ("quote", 3)]


def test_what_a_resume_or_a_snapshot_tells_is_not_told_twice() -> None:
    source = Source()
    source.catch_up.add_resume(source.stream, 2)
    source.catch_up.add_later({source.stream: 3})
    assert source.read() == [("quote", 2), ("quote", 3), ("resumed", 2, 3, True)]
    source.catch_up.add_snapshots({"A": ("quotes",)})
    source.catch_up.add_later({source.stream: 3})
    assert source.read() == [("snapshot",)]


def test_a_stream_that_ends_with_a_hole_has_no_newest_state_but_a_notice() -> None:
    source = Source()
    source.positions[source.stream] = 1
    source.catch_up.add_newest(source.stream, 2)
    source.stream.clear()
    source.stream.seq = 8
    assert source.read() == [("skipped", 2, 8)]
    assert source.positions == {source.stream: 8}
    assert source.catch_up.conflated_ticks == 0


def test_live_ticks_of_a_stream_that_is_read_from_the_log_need_not_be_kept() -> None:
    source = Source()
    catch_up, stream, other = source.catch_up, source.stream, source.other
    assert not catch_up.covers(stream, 4)
    catch_up.add_snapshots({"A": ("quotes",)})
    assert catch_up.covers(stream, 4)
    assert not catch_up.covers(other, 1)
    catch_up.forget({stream})
    assert not catch_up
    catch_up.add_newest(stream, 3)
    assert catch_up.covers(stream, 2)
    assert source.read()[0] == ("skipped", 2, 2)


def test_taking_stops_when_the_budget_is_used_up() -> None:
    rest = [[b"aaaa"], [b"bbbb"], [b"cccc"]]
    assert list(within(5, lambda: rest.pop(0) if rest else [])) == [b"aaaa", b"bbbb"]
