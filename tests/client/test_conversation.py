from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.client.commands import Terms
from feed.client.conversation import Conversation
from feed.client.events import Event, Gap
from feed.errors import MessageError
from feed.protocol.codec import encode
from feed.protocol.messages import (
    Authenticate,
    Authenticated,
    Epoch,
    ErrorMessage,
    Heartbeat,
    Notice,
    Pong,
    Rejection,
    Resume,
    Resumed,
    Skipped,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)
from feed.ticks import CHANNELS, Quote, Tick, Trade


class Clock:
    def now_ns(self) -> int:
        return 5_000_000

    def monotonic_s(self) -> float:
        return 0.0


class Talk:
    """A conversation that has been welcomed, and the events it told."""

    def __init__(self, *, resume: bool = True) -> None:
        self.told: list[Event] = []
        self.own = Conversation(clock=Clock(), tell=self.told.append, resume=resume)
        self.hear(Welcome(1, "s", "e1", 5, "none"))

    def hear(self, *messages: object) -> list[Tick]:
        return self.own.take([encode(message) for message in messages])

    def reopen(self, epoch: str = "e1") -> list[object]:
        self.own.lost()
        self.hear(Welcome(1, "s2", epoch, 5, "none"))
        return list(self.own.open(None))

    def follow(self, *symbols: str) -> None:
        """Subscribe to quotes, and be acked."""
        (command,) = self.own.subscribe(list(symbols), ["quotes"], Terms())
        self.hear(Subscribed({"quotes": list(symbols)}, id=command.id))

    def resumes(self, epoch: str = "e1") -> list[Resume | None]:
        """Give what the next connection is asked to resume."""
        return [own.resume for own in self.reopen(epoch) if isinstance(own, Subscribe)]


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


def test_a_symbol_refused_on_one_channel_is_asked_for_again_on_the_others(talk: Talk) -> None:
    (command,) = talk.own.subscribe(["*"], ["quotes", "trades"], Terms())
    refused = Rejection("*", "not_entitled", "* was not subscribed on trades")
    talk.hear(Subscribed({"quotes": ["*"]}, id=command.id, rejected=[refused]), quote(7))
    assert list(talk.own.rejections.values()) == [refused]
    (again,) = talk.reopen()
    assert isinstance(again, Subscribe)
    assert (again.symbols, again.channels) == (["*"], ["quotes"])
    assert again.resume == Resume("e1", quotes={"A": 7})


STREAMS = st.sets(st.tuples(st.sampled_from(CHANNELS), st.sampled_from(["A", "B", "C*", "*"])))


@given(
    st.lists(st.sampled_from(["A", "B", "C*", "*"]), min_size=1, unique=True),
    st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True),
    STREAMS,
    st.booleans(),
)
def test_what_is_asked_for_again_is_what_the_ack_says_is_sent(
    symbols: list[str], channels: list[str], given: set[tuple[str, str]], told: bool
) -> None:
    """Whether or not a refusal is among the rejections that are told: of very many some are not."""
    talk = Talk()
    (command,) = talk.own.subscribe(symbols, channels, Terms())
    asked = {(channel, symbol) for channel in channels for symbol in symbols}
    held = {channel: sorted(own for at, own in given if at == channel) for channel, _ in given}
    refused = [Rejection(own, "not_entitled", "no") for own in {own for _, own in asked - given}]
    talk.hear(Subscribed(held, id=command.id, rejected=refused if told else []))
    again = [
        (channel, symbol)
        for own in talk.reopen()
        if isinstance(own, Subscribe)
        for channel in own.channels
        for symbol in own.symbols
    ]
    assert sorted(again) == sorted(asked & given)


def test_a_new_connection_goes_on_after_the_last_seqs(talk: Talk) -> None:
    talk.follow("A", "B")
    assert talk.resumes() == [None]
    talk.hear([quote(7), quote(8)])
    assert talk.resumes() == [Resume("e1", quotes={"A": 8})]
    talk.hear([quote(9)], Resumed("quotes", "A", 9, 9, complete=True), quote(10))
    assert talk.told == [Resumed("quotes", "A", 9, 9, complete=True)]
    assert talk.own.stats.resumed == 1
    assert talk.resumes() == [Resume("e1", quotes={"A": 10})]


def test_a_pattern_resumes_the_symbols_seen(talk: Talk) -> None:
    talk.follow("*")
    talk.hear([quote(7)])
    assert talk.resumes() == [Resume("e1", quotes={"A": 7})]


def test_what_is_lost_in_a_resume_is_told_once(talk: Talk) -> None:
    talk.follow("A")
    talk.hear(quote(7))
    talk.reopen()
    word = Resumed("quotes", "A", 8, 20, complete=False)
    talk.hear(word, Snapshot("A", {"quotes": 20}), quote(21))
    assert talk.told[:2] == [Gap("quotes", "A", 8, 20, told=True), word]
    stats = talk.own.stats
    assert (stats.gaps, stats.lost, stats.resumed, stats.disorders) == (1, 13, 0, 0)


def test_nothing_is_resumed_across_a_new_numbering_and_nothing_is_held_against_it(
    talk: Talk,
) -> None:
    talk.follow("A")
    talk.hear(quote(7))
    assert talk.resumes("e2") == [None]
    talk.hear(Snapshot("A", {"quotes": 2}), quote(3))
    assert (talk.own.stats.gaps, talk.own.stats.disorders) == (0, 0)
    assert talk.resumes("e2") == [Resume("e2", quotes={"A": 3})]


def test_nothing_is_resumed_that_is_not_wanted_any_more(talk: Talk) -> None:
    talk.follow("A", "B")
    talk.hear(quote(7))
    (command,) = talk.own.unsubscribe(["A"], None)
    talk.hear(Subscribed({"quotes": ["B"]}, id=command.id))
    assert talk.resumes() == [None]


def test_resuming_can_be_switched_off() -> None:
    talk = Talk(resume=False)
    talk.follow("A")
    talk.hear(quote(7))
    assert talk.resumes() == [None]


def test_a_name_that_was_not_subscribed_is_not_among_the_rejected(talk: Talk) -> None:
    (command,) = talk.own.unsubscribe(["X"], None)
    ack = Subscribed({}, id=command.id, rejected=[Rejection("X", "not_subscribed", "no")])
    talk.hear(ack)
    assert talk.own.answer(command) == ack
    assert talk.own.rejections == {}


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


@pytest.mark.parametrize("total", [None, 10_001])
def test_what_was_taken_from_a_wildcard_and_is_given_back_is_no_loss(
    talk: Talk, total: int | None
) -> None:
    """Very many rejections are not all told: then it may have been any stream."""
    talk.follow("*")
    talk.hear(quote(5), trade(5))
    lost = Rejection("A" if total is None else "B", "not_entitled", "no")
    held = {"quotes": ["*"]}
    talk.hear(Subscribed(held, rejected=[lost], rejected_total=total))
    assert ("quotes", "A") in talk.own.ledger.doubtful
    talk.hear(Subscribed(held), Snapshot("A", {"quotes": 50}), quote(51))
    assert (talk.own.stats.gaps, talk.own.stats.disorders) == (0, 0)


def test_what_an_answer_rejects_is_no_stream_that_was_taken_away(talk: Talk) -> None:
    talk.follow("*")
    talk.hear(quote(5))
    (command,) = talk.own.subscribe(["A"], ["bars"], Terms())
    refused = Rejection("A", "not_entitled", "not on bars")
    talk.hear(Subscribed({"quotes": ["*"]}, id=command.id, rejected=[refused]))
    talk.hear(Snapshot("A", {"quotes": 9}))
    assert talk.own.stats.lost == 4


def test_a_token_is_sent_only_where_the_server_takes_one(talk: Talk) -> None:
    assert talk.own.open("secret") == []
    talk.hear(Welcome(1, "s", "e1", 5, "required"))
    assert talk.own.open("secret") == [Authenticate("secret")]


def test_an_error_that_answers_no_command_is_an_event(talk: Talk) -> None:
    error = ErrorMessage("bad_message", "what")
    talk.hear(error)
    assert talk.told == [error]


@pytest.mark.parametrize("message", [Pong(5, id=3), Authenticated("desk-2")])
def test_what_only_the_program_can_make_use_of_is_an_event(
    talk: Talk, message: Pong | Authenticated
) -> None:
    talk.hear(message)
    assert talk.told == [message]


def test_snapshots_and_the_state_of_sources_are_kept_and_another_epoch_ends_them(
    talk: Talk,
) -> None:
    snapshot = Snapshot("A", {"quotes": 3}, quote=quote(3))
    talk.hear(snapshot, Heartbeat(1, 0, 0.0, {"tape": "ended"}))
    assert talk.own.snapshots == {"A": snapshot}
    assert talk.own.sources == {"tape": "ended"}
    assert talk.own.heartbeats == 1
    talk.reopen("e2")
    assert not talk.own.same_epoch
    assert talk.own.snapshots == {}


def test_a_server_of_another_protocol_is_refused(talk: Talk) -> None:
    with pytest.raises(MessageError, match="the server speaks protocol 2, this client 1"):
        talk.hear(Welcome(2, "s", "e", 5, "none"))


def test_a_new_numbering_forgets_positions_and_is_told(talk: Talk) -> None:
    talk.follow("A")
    talk.hear(quote(7), Snapshot("A", {"quotes": 7}))
    epoch = Epoch("e9", "seek")
    talk.hear(epoch, quote(1))
    assert epoch in talk.told
    assert talk.own.ledger.epoch == "e9"
    assert talk.own.ledger.positions() == {"quotes": {"A": 1}}
    assert talk.own.snapshots == {}
    assert talk.own.stats.gaps == talk.own.stats.disorders == 0
