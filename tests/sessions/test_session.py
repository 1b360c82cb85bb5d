from __future__ import annotations

from typing import Any
from unittest.mock import patch

import orjson
import pytest

from feed.sessions import move
from feed.sessions.entitlements import ANONYMOUS, Principal
from feed.sessions.limits import Limits
from feed.sessions.rates import Rate
from feed.sessions.session import Session
from feed.symbols import SymbolSet
from tests.fakes import FakeTransport, World, frames, messages, quote, trade


class Desk:
    """A session with its transport, at a feed that declares A and B."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        batched: bool = False,
        journal_ticks_per_stream: int = 4096,
        principal: Principal = ANONYMOUS,
    ) -> None:
        self.world = World(frozenset("AB"), limits, journal_ticks_per_stream, principal)
        self.transport = FakeTransport()
        self.session: Session = self.world.registry.open(
            self.transport, batched=batched, peer="test"
        )

    def tell(self, **command: Any) -> list[dict[str, Any]]:
        """Send a command and give what came back, ticks flushed."""
        before = len(messages(self.transport))
        self.session.receive(orjson.dumps(command))
        self.world.hub.flush()
        return messages(self.transport)[before:]

    def publish(self, *ticks: Any) -> list[dict[str, Any]]:
        before = len(messages(self.transport))
        self.world.publish(*ticks)
        self.world.hub.flush()
        return messages(self.transport)[before:]


def test_the_first_message_is_the_welcome() -> None:
    desk = Desk()
    [welcome] = messages(desk.transport)
    assert welcome == {
        "type": "welcome",
        "protocol": 1,
        "session": desk.session.name,
        "epoch": desk.world.tickerplant.epoch,
        "heartbeat_interval_s": 5,
        "authentication": "none",
    }


def test_subscribing_is_acknowledged_then_the_snapshot_then_live_ticks_follow_it() -> None:
    desk = Desk()
    desk.publish(quote("A"), quote("A"), trade("A"))
    ack, snapshot = desk.tell(type="subscribe", id=7, symbols=["A", "X"])
    assert ack["id"] == 7
    assert ack["subscriptions"] == {"quotes": ["A"], "trades": ["A"]}
    assert [(own["symbol"], own["code"]) for own in ack["rejected"]] == [("X", "unknown_symbol")]
    assert snapshot["seqs"] == {"quotes": 2, "trades": 1}
    assert snapshot["quote"]["seq"] == 2
    assert [own["seq"] for own in desk.publish(quote("A"))] == [3]


@pytest.mark.parametrize(("at_once", "writes"), [(2, 1), (1, 2)])
def test_the_ack_and_a_few_snapshots_are_one_write(
    monkeypatch: pytest.MonkeyPatch, at_once: int, writes: int
) -> None:
    monkeypatch.setattr(move, "AT_ONCE", at_once)
    desk = Desk()
    with patch.object(desk.session.delivery, "write", wraps=desk.transport.write) as write:
        told = desk.tell(type="subscribe", symbols=["B", "A"])
    assert [own["type"] for own in told] == ["subscribed", "snapshot", "snapshot"]
    assert [own.get("symbol") for own in told] == [None, "B", "A"]
    assert write.call_count == writes


def test_subscribing_again_changes_the_terms_and_repeats_nothing() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"])
    answers = desk.tell(type="subscribe", symbols=["A"], delivery="all")
    assert [own["type"] for own in answers] == ["subscribed"]
    assert [own["seq"] for own in desk.publish(quote("A"))] == [1]


def test_the_ack_always_carries_the_whole_set() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"])
    ack = desk.tell(type="subscribe", symbols=["B*"], channels=["bars"])[0]
    assert ack["subscriptions"] == {"bars": ["B*"], "quotes": ["A"], "trades": ["A"]}
    ack = desk.tell(type="unsubscribe", symbols=["A"], channels=["quotes"])[0]
    assert ack["subscriptions"] == {"bars": ["B*"], "trades": ["A"]}


def test_after_an_unsubscribe_no_tick_comes() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A", "B"])
    desk.tell(type="unsubscribe", symbols=["A"])
    assert [own["symbol"] for own in desk.publish(quote("A"), quote("B"))] == ["B"]


def test_new_terms_for_a_stream_that_never_ticked_keep_the_stream() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"], delivery="latest")
    stream = desk.world.hub.index.find("quotes", "A")
    desk.tell(type="subscribe", symbols=["A"], delivery="latest", interval_ms=300)
    assert desk.world.hub.index.find("quotes", "A") is stream


def test_names_that_never_ticked_are_the_business_of_those_who_asked_for_them() -> None:
    world = World()
    asking, watching = FakeTransport(), FakeTransport()
    inventor = world.registry.open(asking, batched=False, peer="test")
    inventor.receive(orjson.dumps({"type": "subscribe", "symbols": ["NEVER", "SOON"]}))
    command = {"type": "subscribe", "symbols": ["*"]}
    world.registry.open(watching, batched=False, peer="test").receive(orjson.dumps(command))
    world.publish(quote("SOON"))
    world.hub.flush()
    told = messages(watching)[2:]
    assert [(own["type"], own["symbol"], own["seq"]) for own in told] == [("quote", "SOON", 1)]
    assert [own["symbol"] for own in messages(asking)[2:]] == ["NEVER", "SOON", "SOON"]
    inventor.lost()
    assert world.hub.index.find("quotes", "NEVER") is None


def test_after_a_resume_latest_goes_on_from_where_the_resume_ended() -> None:
    desk = Desk()
    desk.publish(*(quote("A") for _ in range(3000)))
    desk.transport.room = 100_000
    resume = {"epoch": desk.world.tickerplant.epoch, "quotes": {"A": 0}}
    command = {"type": "subscribe", "symbols": ["A"], "channels": ["quotes"], "resume": resume}
    desk.session.receive(orjson.dumps(command | {"delivery": "latest"}))
    desk.world.publish(*(quote("A") for _ in range(50)))
    desk.transport.room = 1 << 30
    while desk.session.delivery.outbox is not None:
        desk.session.delivery.drain()
    assert messages(desk.transport)[-1]["to_seq"] == 3050
    before = len(messages(desk.transport))
    desk.world.fire_timers()
    assert messages(desk.transport)[before:] == []


def test_an_overflow_while_subscribing_ends_the_session_and_nothing_follows_the_close() -> None:
    desk = Desk(Limits(outbox_bytes=4000))
    desk.tell(type="subscribe", symbols=["A"], delivery="all")
    desk.transport.room = 0
    desk.world.publish(*(quote("A") for _ in range(100)))
    desk.session.receive(b'{"type":"subscribe","symbols":["B"]}')
    assert desk.world.hub.metrics.sessions_closed == {4001: 1}
    assert not list(desk.world.hub.index.cohorts)
    desk.transport.room = 1 << 20
    desk.session.delivery.drain()
    assert frames(bytes(desk.transport.taken))[-1][0] == 8


def test_unsubscribing_what_is_not_subscribed_is_told() -> None:
    [ack] = Desk().tell(type="unsubscribe", symbols=["A\n"])
    assert ack["rejected"][0]["code"] == "not_subscribed"
    assert ack["rejected"][0]["message"] == "'A\\n' is not subscribed on these channels"


def test_latest_sends_at_most_one_tick_per_interval_and_tells_what_it_skips() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"], delivery="latest", interval_ms=100)
    assert desk.publish(*(quote("A") for _ in range(5))) == []
    before = len(messages(desk.transport))
    assert [delay_s for delay_s, _ in desk.world.timers] == [0.0]  # nothing came for so long
    desk.world.fire_timers()
    skipped, newest = messages(desk.transport)[before:]
    assert (skipped["first_seq"], skipped["last_seq"], skipped["count"]) == (1, 4, 4)
    assert newest["seq"] == 5
    assert desk.world.timers == []  # nothing newer, nothing to do
    assert desk.publish(quote("A"), quote("A")) == []
    assert [delay_s for delay_s, _ in desk.world.timers] == [0.1]
    desk.world.fire_timers()
    assert [own.get("seq") for own in messages(desk.transport)[before + 2 :]] == [None, 7]


def test_latest_serves_a_symbol_that_appears_under_its_wildcard_later() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["*"], delivery="latest", interval_ms=100)
    desk.world.fire_timers()
    desk.publish(quote("NEW"))
    desk.world.fire_timers()
    assert messages(desk.transport)[-1]["symbol"] == "NEW"


def test_a_resume_gives_the_missed_ticks_byte_for_byte_then_says_it_is_complete() -> None:
    desk, watcher = Desk(), FakeTransport()
    desk.world.registry.open(watcher, batched=False, peer="test").receive(
        b'{"type":"subscribe","symbols":["A"],"channels":["quotes"]}'
    )
    desk.publish(*(quote("A", bid=number + 0.1) for number in range(4)))
    resume = {"epoch": desk.world.tickerplant.epoch, "quotes": {"A": 1}}
    desk.tell(type="subscribe", symbols=["A"], channels=["quotes"], resume=resume)
    missed = frames(bytes(desk.transport.taken))[2:-1]
    assert missed == frames(bytes(watcher.taken))[-3:]
    assert messages(desk.transport)[-1] == {
        "type": "resumed",
        "channel": "quotes",
        "symbol": "A",
        "from_seq": 2,
        "to_seq": 4,
        "complete": True,
    }
    assert [own["seq"] for own in desk.publish(quote("A"))] == [5]


@pytest.mark.parametrize(("epoch", "last_seq", "lost"), [(None, 1, 2), ("other", 60, 1)])
def test_a_resume_beyond_the_journal_or_of_another_epoch_says_what_is_lost(
    epoch: str | None, last_seq: int, lost: int
) -> None:
    desk = Desk(journal_ticks_per_stream=50)
    desk.publish(*(quote("A") for _ in range(99)))
    resume = {"epoch": epoch or desk.world.tickerplant.epoch, "quotes": {"A": last_seq}}
    answers = desk.tell(type="subscribe", symbols=["A"], channels=["quotes"], resume=resume)
    assert [own["type"] for own in answers] == ["subscribed", "resumed", "snapshot"]
    told = answers[1]
    assert (told["from_seq"], told["to_seq"], told["complete"]) == (lost, 99, False)
    assert answers[2]["seqs"] == {"quotes": 99}


def test_a_resume_that_misses_nothing_is_complete() -> None:
    desk = Desk()
    desk.publish(quote("A"))
    resume = {"epoch": desk.world.tickerplant.epoch, "quotes": {"A": 1}}
    answers = desk.tell(type="subscribe", symbols=["A"], channels=["quotes"], resume=resume)
    assert [own["type"] for own in answers] == ["subscribed", "resumed"]
    assert answers[1]["complete"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"{", "bad_json"),
        (b"[]", "bad_message"),
        (b'{"type":"dance"}', "unknown_type"),
        (b'{"type":"subscribe","symbols":"A"}', "bad_message"),
        (b'{"type":"subscribe","symbols":["A"],"channels":["news"]}', "unknown_channel"),
        (b'{"type":"authenticate","token":"secret"}', "not_enabled"),
    ],
)
def test_a_bad_command_gets_a_typed_error_and_the_session_goes_on(
    command: bytes, code: str
) -> None:
    desk = Desk()
    desk.session.receive(command)
    error = messages(desk.transport)[-1]
    assert (error["type"], error["code"]) == ("error", code)
    assert "secret" not in error["message"]
    assert desk.tell(type="ping", id="still here")[0]["id"] == "still here"
    assert desk.world.hub.metrics.errors_told == 1


def test_a_set_beyond_the_limit_is_refused_whole() -> None:
    desk = Desk(Limits(subscriptions=3, wildcards=1))
    [error] = desk.tell(type="subscribe", symbols=["A", "B"], id=1)
    assert (error["code"], error["id"]) == ("limit_exceeded", 1)
    [error] = desk.tell(type="subscribe", symbols=["A*", "B*"], channels=["bars"])
    assert error["code"] == "limit_exceeded"
    assert desk.session.subscriptions.by_channel() == {}


def test_a_slow_consumer_of_events_is_closed_with_4001_and_hears_why() -> None:
    desk = Desk(Limits(outbox_bytes=4000))
    desk.tell(type="subscribe", symbols=["A"])
    desk.transport.room = 100
    desk.world.publish(*(trade("A") for _ in range(100)))
    desk.world.hub.flush()
    assert desk.world.hub.metrics.sessions_closed == {4001: 1}
    desk.transport.room = 1 << 20
    desk.session.delivery.drain()
    *_, (opcode, closing), (last, close) = frames(bytes(desk.transport.taken))
    assert (opcode, last) == (1, 8)
    assert orjson.loads(closing) == {
        "type": "closing",
        "code": 4001,
        "reason": "slow consumer",
        "reconnect": True,
    }
    assert close == (4001).to_bytes(2, "big") + b"slow consumer"
    assert desk.transport.finished
    assert len(desk.world.registry) == 0


def test_a_slow_consumer_of_state_stays_and_is_told_what_it_skipped() -> None:
    desk = Desk(Limits(outbox_bytes=4000))
    desk.tell(type="subscribe", symbols=["A"])
    desk.transport.room = 0
    for _ in range(100):
        desk.world.publish(*(quote("A") for _ in range(10)))
        desk.world.hub.flush()
    desk.transport.room = 1 << 20
    desk.session.delivery.drain()
    skipped, newest = messages(desk.transport)[-2:]
    assert (skipped["last_seq"], newest["seq"]) == (999, 1000)
    assert desk.world.hub.metrics.conflated == skipped["count"]
    assert desk.session.delivery.outbox is None


def test_the_answer_to_a_close_echoes_its_code_and_no_tick_follows() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"])
    desk.session.answer_close(1005)
    desk.publish(quote("A"))
    assert frames(bytes(desk.transport.taken))[-1] == (8, b"")
    assert desk.transport.finished
    assert not list(desk.world.hub.index.cohorts)


def test_a_lost_socket_ends_the_session_once() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"])
    desk.session.lost()
    desk.session.lost()
    desk.session.receive(b'{"type":"ping"}')
    assert desk.world.hub.metrics.sessions_closed == {1006: 1}
    assert len(desk.world.registry) == 0


def test_a_batch_session_gets_ticks_as_arrays_and_control_messages_alone() -> None:
    desk = Desk(batched=True)
    desk.tell(type="subscribe", symbols=["A"])
    desk.transport.taken.clear()
    desk.publish(quote("A"), trade("A"))
    [(_, payload)] = frames(bytes(desk.transport.taken))
    assert [own["type"] for own in orjson.loads(payload)] == ["quote", "trade"]


ONLY_A = Principal("desk-2", subscribe=SymbolSet(["A"]), subscription_limit=3)


def test_a_symbol_that_is_not_the_principals_is_rejected_alone() -> None:
    desk = Desk(principal=ONLY_A)
    ack, _ = desk.tell(type="subscribe", symbols=["A", "B", "NOSUCH"])
    assert ack["subscriptions"] == {"quotes": ["A"], "trades": ["A"]}
    assert [(own["symbol"], own["code"]) for own in ack["rejected"]] == [
        ("B", "not_entitled"),
        ("NOSUCH", "not_entitled"),
    ]
    assert [own["symbol"] for own in desk.publish(quote("B"), quote("A"))] == ["A"]


def test_a_wildcard_takes_only_what_is_entitled_also_of_symbols_that_appear_later() -> None:
    desk = Desk(principal=Principal("desk-2", subscribe=SymbolSet(["A", "BTC*"])))
    desk.publish(quote("A"), quote("B"), quote("BTC-USD"))
    ack, *snapshots = desk.tell(type="subscribe", symbols=["*"])
    assert ack["subscriptions"] == {"quotes": ["*"], "trades": ["*"]}
    assert [own["symbol"] for own in snapshots] == ["A", "BTC-USD"]
    told = desk.publish(quote("BTC-EUR"), quote("ETH"), quote("B"), trade("BTC-EUR"))
    assert [own["symbol"] for own in told] == ["BTC-EUR", "BTC-EUR"]


def test_sessions_with_other_rights_share_no_cohort() -> None:
    desk = Desk(principal=ONLY_A)
    desk.tell(type="subscribe", symbols=["*"])
    everybody = FakeTransport()
    everyone = desk.world.registry.open(everybody, batched=False, peer="test", principal=ANONYMOUS)
    everyone.receive(b'{"type":"subscribe","symbols":["*"]}')
    assert [own["symbol"] for own in desk.publish(quote("A"), quote("B"))] == ["A"]
    assert [own["symbol"] for own in messages(everybody)[-2:]] == ["A", "B"]


def test_a_channel_that_is_not_the_principals_is_told_and_is_in_no_snapshot() -> None:
    only_quotes = Principal("desk-2", SymbolSet("*"), channels=frozenset({"quotes"}))
    desk = Desk(principal=only_quotes)
    desk.publish(quote("A"), trade("A"))
    ack, snapshot = desk.tell(type="subscribe", symbols=["A"])
    assert ack["subscriptions"] == {"quotes": ["A"]}
    assert [(own["symbol"], own["code"]) for own in ack["rejected"]] == [("A", "not_entitled")]
    assert snapshot["quote"]["seq"] == 1
    assert "trade" not in snapshot
    assert "session" not in snapshot
    assert [own["type"] for own in desk.publish(trade("A"), quote("A"))] == ["quote"]


def test_a_resume_of_what_is_not_entitled_gives_nothing() -> None:
    desk = Desk(principal=ONLY_A)
    desk.publish(quote("B"), quote("B"))
    resume = {"epoch": desk.world.tickerplant.epoch, "quotes": {"B": 0}}
    told = desk.tell(type="subscribe", symbols=["B", "B*"], resume=resume)
    assert [own["type"] for own in told] == ["subscribed"]


def test_a_principal_may_have_a_limit_of_its_own() -> None:
    [error] = Desk(principal=ONLY_A).tell(type="subscribe", symbols=["A", "A*"])
    assert error["code"] == "limit_exceeded"
    assert "may hold 3 subscriptions" in error["message"]


def test_commands_above_the_rate_are_refused_and_the_session_goes_on() -> None:
    desk = Desk(Limits(commands=Rate(10, burst=3)))
    told = [desk.tell(type="ping", id=number)[0] for number in range(5)]
    assert [own["type"] for own in told] == ["pong"] * 3 + ["error"] * 2
    assert (told[3]["code"], told[3]["id"]) == ("too_many_commands", 3)
    desk.world.clock.passed_s = 0.1
    assert desk.tell(type="ping")[0]["type"] == "pong"
    assert desk.world.hub.metrics.refusals == {"too_many_commands": 2}


def test_mistakes_without_end_close_the_session_with_4500() -> None:
    desk = Desk(Limits(mistakes=3))
    for command in (b"{", b"[]", b'{"type":"ping"}', b"{", b"{"):
        desk.session.receive(command)
    assert desk.world.hub.metrics.sessions_closed == {}
    desk.session.receive(b"{")
    assert desk.world.hub.metrics.sessions_closed == {4500: 1}
    assert messages(desk.transport)[-1]["reason"] == "3 commands in a row were refused"


def test_a_new_numbering_is_told_and_then_the_snapshots_of_what_is_subscribed() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A", "B"], channels=["quotes"])
    desk.publish(quote("A"), quote("A"))
    before = len(messages(desk.transport))
    desk.world.restart("A")
    desk.session.delivery.drain()
    epoch, *snapshots = messages(desk.transport)[before:]
    now = desk.world.tickerplant.epoch
    assert epoch == {"type": "epoch", "epoch": now, "reason": "seek"}
    assert [(own["symbol"], own["seqs"]) for own in snapshots] == [
        ("A", {"quotes": 0}),
        ("B", {"quotes": 0}),
    ]
    assert [own["seq"] for own in desk.publish(quote("A"))] == [1]


def test_a_resume_of_an_earlier_numbering_is_lost_as_a_whole() -> None:
    desk = Desk()
    old = desk.world.tickerplant.epoch
    desk.publish(quote("A"), quote("A"))
    desk.world.restart()
    resume = {"epoch": old, "quotes": {"A": 1}}
    answers = desk.tell(type="subscribe", symbols=["A"], channels=["quotes"], resume=resume)
    [resumed] = [own for own in answers if own["type"] == "resumed"]
    assert (resumed["from_seq"], resumed["to_seq"], resumed["complete"]) == (1, 1, False)


def test_answers_that_are_owed_outlive_a_new_numbering() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"], delivery="all")
    before = len(messages(desk.transport))
    desk.transport.room = 10
    desk.world.publish(quote("A"), quote("A"))
    desk.world.hub.flush()
    desk.session.receive(b'{"type":"ping","id":1}')
    desk.world.restart("A")
    desk.transport.room = 1 << 20
    desk.session.delivery.drain()
    kinds = [own["type"] for own in messages(desk.transport)[before:]]
    assert kinds == ["quote", "pong", "epoch", "snapshot"]


def test_only_an_admin_tells_everybody_and_only_what_can_be_read() -> None:
    desk = Desk()
    [error] = desk.tell(type="notice", id=1, message="hello")
    assert (error["code"], error["id"]) == ("not_entitled", 1)
    desk.session.principal = Principal("boss", admin=True)
    for text in ("", "a\nb", "x" * 1_001, 7):
        [error] = desk.tell(type="notice", id=2, message=text)
        assert (error["code"], error["id"]) == ("bad_message", 2)
    desk.tell(type="notice", message="hello")
    desk.world.fire_timers()
    assert messages(desk.transport)[-1] == {"type": "notice", "message": "hello"}


def test_a_wildcard_keeps_a_stream_through_a_new_numbering() -> None:
    desk = Desk()
    desk.publish(quote("A"))
    desk.world.restart("A")
    desk.tell(type="subscribe", symbols=["*", "A"], channels=["quotes"])
    desk.tell(type="unsubscribe", symbols=["A"])
    assert [own["seq"] for own in desk.publish(quote("A"))] == [1]
