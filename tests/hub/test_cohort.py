from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.cohort import BATCH_TICKS, Burst, Cohort, Segment, batch_frame, batches
from feed.hub.subscriptions import Subscriptions
from feed.protocol.codec import encode_ticks
from feed.protocol.frames import text_frame
from tests.fakes import FakeTransport, frames, quote


class Member(FakeTransport):
    """A session that notes what it was given to keep."""

    def __init__(self, room: int = 1 << 40) -> None:
        super().__init__(room)
        self.kept: list[tuple[Segment, int]] = []

    def fall_behind(self, segment: Segment, sent: int) -> None:
        self.kept.append((segment, sent))

    def offer(self, segment: Segment) -> None:
        self.kept.append((segment, 0))


def pend(cohort: Cohort, count: int) -> tuple[Burst, list[bytes]]:
    burst = Burst()
    burst.ticks = [quote(f"S{number}") for number in range(count)]
    burst.payloads = encode_ticks(burst.ticks)
    items = burst.payloads if cohort.batched else [text_frame(own) for own in burst.payloads]
    cohort.pending.extend(items)
    return burst, burst.payloads


@given(st.integers(1, 40), st.booleans(), st.integers(0, 6000))
def test_what_a_short_write_left_is_one_rest_and_whole_ticks(
    count: int, batched: bool, room: int
) -> None:
    cohort, member = Cohort(Subscriptions(), batched=batched), Member(room)
    cohort.join(member, behind=False)
    burst, payloads = pend(cohort, count)
    cohort.flush(burst)
    if not member.kept:
        return
    [(segment, sent)] = member.kept
    rest, ticks = segment.after(sent)
    whole = frames(bytes(member.taken) + rest)
    told = [payload for _, payload in whole]
    if batched:
        assert told in ([], [b"[" + b",".join(payloads) + b"]"])
        told = payloads if told else []
    assert told + [payload for _, payload in ticks] == payloads


def test_every_member_gets_the_same_bytes_and_the_pending_list_is_empty_after() -> None:
    cohort = Cohort(Subscriptions(), batched=False)
    members = [Member(), Member()]
    for member in members:
        cohort.join(member, behind=False)
    burst, payloads = pend(cohort, 3)
    assert cohort.flush(burst) == 6
    assert members[0].taken == members[1].taken == b"".join(map(text_frame, payloads))
    assert cohort.pending == []


def test_a_member_that_is_behind_is_not_written_to_until_it_has_caught_up() -> None:
    cohort, member = Cohort(Subscriptions(), batched=False), Member()
    cohort.join(member, behind=True)
    cohort.flush(pend(cohort, 1)[0])
    assert not member.taken
    assert len(member.kept) == 1
    cohort.caught_up(member)
    cohort.flush(pend(cohort, 1)[0])
    assert member.taken


def test_a_burst_answers_for_ticks_that_came_after_the_first_question() -> None:
    burst = Burst()
    for symbol in ("A", "B"):
        burst.ticks.append(quote(symbol))
        burst.payloads += encode_ticks(burst.ticks[-1:])
        assert burst.entry(text_frame(burst.payloads[-1]))[0].symbol == symbol


def test_a_batch_message_holds_a_bounded_number_of_ticks() -> None:
    sizes = [len(own) for own in batches([b"{}"] * (2 * BATCH_TICKS + 1))]
    assert sizes == [BATCH_TICKS, BATCH_TICKS, 1]
    assert batch_frame([b"1", b"2"]) == text_frame(b"[1,2]")
