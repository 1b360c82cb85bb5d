from __future__ import annotations

import pytest

from feed.client.conversation import Conversation
from feed.client.events import Event, Gap
from feed.client.wants import Terms
from feed.errors import MessageError
from feed.protocol.codec import encode
from feed.protocol.messages import (
    Authenticate,
    ErrorMessage,
    Heartbeat,
    Notice,
    Rejection,
    Skipped,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)
from feed.ticks import Quote, Tick, Trade


class Clock:
    def now_ns(self) -> int:
        return 5_000_000

    def monotonic_s(self) -> float:
        return 0.0


class Talk:
    """A conversation that has been welcomed, and the events it told."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.own = Conversation(clock=Clock(), tell=self.told.append)
        self.hear(Welcome(1, "s", "e1", 5, "none"))

    def hear(self, *messages: object) -> list[Tick]:
        return self.own.take([encode(message) for message in messages])

    def reopen(self, epoch: str = "e1") -> list[object]:
        self.own.lost()
        self.hear(Welcome(1, "s2", epoch, 5, "none"))
        return list(self.own.open(None))


@pytest.fixture
def talk() -> Talk:
    return Talk()


def quote(seq: int) -> Quote:
    return Quote("A", seq, 1, 1.0, 1, 1.1, 1, 2_000_000)


def trade(seq: int) -> Trade:
    return Trade("A", seq, 1, 1.0, 1, 2_000_000)


def test_single_ticks_and_batches_come_out_in_order_and_are_counted(talk: Talk) -> None:
    sent: list[Tick] = [quote(1), trade(1), quote(2), quote(3), quote(4)]
    got = talk.hear(sent[0], sent[1:3], Notice("hi"), sent[3], [], sent[4:])
    assert got == sent
    assert talk.own.stats.ticks == 5
    assert talk.own.stats.gaps == 0
    latency = talk.own.stats.latency
    assert latency is not None
    assert latency.p50_ms == 3.0


def test_a_notice_between_two_ticks_is_accounted_for_in_its_place(talk: Talk) -> None:
    talk.hear(quote(1), Skipped("quotes", "A", 2, 3, 2, "conflated"), quote(4))
    assert talk.own.stats.gaps == 0
    assert talk.own.stats.skipped == 2


def test_losses_are_counted_and_told(talk: Talk) -> None:
    talk.hear([quote(1), quote(4), quote(4)])
    assert talk.told[0] == Gap("quotes", "A", 2, 3)
    stats = talk.own.stats
    assert (stats.gaps, stats.lost, stats.disorders) == (1, 2, 1)


def test_a_command_is_wanted_once_it_is_acked_and_only_what_was_taken(talk: Talk) -> None:
    (command,) = talk.own.subscribe(["A", "X"], ["quotes"], Terms("all"))
    assert talk.own.answer(command) is None
    refused = Rejection("X", "unknown_symbol", "no")
    talk.hear(Subscribed({"quotes": ["A"]}, id=command.id, rejected=[refused]))
    answer = talk.own.answer(command)
    assert isinstance(answer, Subscribed)
    assert list(talk.own.rejections.values()) == [refused]
    (again,) = talk.reopen()
    assert isinstance(again, Subscribe)
    assert (again.symbols, again.channels, again.delivery) == (["A"], ["quotes"], "all")


def test_a_command_that_was_refused_is_not_repeated(talk: Talk) -> None:
    (command,) = talk.own.subscribe(["A"], ["quotes"], Terms())
    error = ErrorMessage("limit_exceeded", "too many", id=command.id)
    talk.hear(error)
    assert talk.own.answer(command) == error
    assert talk.reopen() == []


def test_a_command_without_an_answer_is_repeated_on_the_next_connection(talk: Talk) -> None:
    (first,) = talk.own.subscribe(["A"], ["quotes"], Terms())
    talk.hear(Subscribed({"quotes": ["A"]}, id=first.id))
    (second,) = talk.own.unsubscribe(["A"], None)
    again = talk.reopen()
    assert [type(each) for each in again] == [Subscribe, Unsubscribe]
    talk.hear(Subscribed({"quotes": ["A"]}, id=again[0].id))  # type: ignore[attr-defined]
    talk.hear(Subscribed({}, id=second.id))
    assert talk.own.answer(second) == Subscribed({}, id=second.id)
    assert talk.reopen() == []


def test_an_answer_nobody_waits_for_takes_effect_all_the_same(talk: Talk) -> None:
    changes = talk.own.subscribe(["A"], ["quotes"], Terms())
    talk.own.forget(changes)
    talk.hear(Subscribed({"quotes": ["A"]}, id=changes[0].id))
    assert len(talk.reopen()) == 1


def test_a_symbol_asked_for_again_and_taken_is_rejected_no_more(talk: Talk) -> None:
    for rejected in ([Rejection("A", "unknown_symbol", "no")], []):
        (command,) = talk.own.subscribe(["A"], ["quotes"], Terms())
        talk.hear(Subscribed({}, id=command.id, rejected=rejected))
        assert list(talk.own.rejections.values()) == rejected


def test_unsubscribing_ends_the_numbering_of_the_stream(talk: Talk) -> None:
    talk.hear(quote(1))
    (command,) = talk.own.unsubscribe(["A"], ["quotes"])
    talk.hear(Subscribed({}, id=command.id), quote(9))
    assert talk.own.stats.gaps == 0


def test_a_token_is_sent_only_where_the_server_takes_one(talk: Talk) -> None:
    assert talk.own.open("secret") == []
    talk.hear(Welcome(1, "s", "e1", 5, "required"))
    assert talk.own.open("secret") == [Authenticate("secret")]


def test_an_error_that_answers_no_command_is_an_event(talk: Talk) -> None:
    error = ErrorMessage("bad_message", "what")
    talk.hear(error)
    assert talk.told == [error]


def test_snapshots_and_the_state_of_sources_are_kept_and_another_epoch_ends_them(
    talk: Talk,
) -> None:
    snapshot = Snapshot("A", {"quotes": 3}, quote=quote(3))
    talk.hear(snapshot, Heartbeat(1, 0, 0.0, {"tape": "ended"}))
    assert talk.own.snapshots == {"A": snapshot}
    assert talk.own.sources == {"tape": "ended"}
    talk.reopen("e2")
    assert not talk.own.same_epoch
    assert talk.own.snapshots == {}


def test_a_server_of_another_protocol_is_refused(talk: Talk) -> None:
    with pytest.raises(MessageError, match="the server speaks protocol 2, this client 1"):
        talk.hear(Welcome(2, "s", "e", 5, "none"))
