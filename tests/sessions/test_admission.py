from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.errors import AuthenticationError
from feed.hub.steps import STEP
from feed.sessions.auth import Authority, Mode
from feed.sessions.entitlements import ANONYMOUS, Principal
from feed.sessions.limits import Limits
from feed.sessions.session import Session
from feed.symbols import ALL_SYMBOLS, SymbolSet
from tests.fakes import FakeTransport, World, messages, quote, trade

NS = 1_000_000_000


class Register(Authority):
    """Knows tokens by heart; each is the name of its principal."""

    def __init__(self, mode: Mode, anonymous: Principal = ANONYMOUS) -> None:
        super().__init__(mode, anonymous)
        self.known: dict[str, Principal] = {}
        self.changed = False

    def identify(self, token: str) -> Principal:
        if token not in self.known:
            raise AuthenticationError("the key is unknown or was revoked")
        return self.known[token]

    def renewed(self, principal: Principal) -> Principal | None:
        if not principal.credential:
            return principal
        mine = (own for own in self.known.values() if own.credential == principal.credential)
        return next(mine, None)

    def reload(self) -> bool:
        changed, self.changed = self.changed, False
        return changed


class Desk:
    """One session at a feed that knows desk-2, for whom there is A."""

    def __init__(self, mode: Mode = "required", limits: Limits | None = None) -> None:
        self.register = Register(mode)
        self.desk_2 = Principal("desk-2", SymbolSet(["A"]), credential="k1")
        self.register.known["desk-2"] = self.desk_2
        self.world = World(None, limits, authority=self.register)
        self.session, self.transport = self.open()

    def open(self) -> tuple[Session, FakeTransport]:
        transport = FakeTransport()
        return self.world.registry.open(transport, batched=False, peer="test"), transport

    def tell(self, **command: Any) -> list[dict[str, Any]]:
        return self.during(lambda: self.session.receive(orjson.dumps(command)))

    def during(self, act: Callable[[], object]) -> list[dict[str, Any]]:
        """Do something and give what the session was told meanwhile."""
        before = len(messages(self.transport))
        act()
        self.have_turns()
        self.world.hub.flush()
        return messages(self.transport)[before:]

    def patrol(self) -> None:
        self.register.changed = True
        self.world.registry.admission.patrol(self.world.registry)
        self.have_turns()

    def have_turns(self) -> None:
        """Be served until nothing is left to be done."""
        while self.session.busy:
            self.session.go_on()

    @property
    def closes(self) -> dict[int, int]:
        return self.world.hub.metrics.sessions_closed


@contextmanager
def steps_of(size: int) -> Iterator[None]:
    """Have commands done in steps of so many symbols or streams."""
    with patch("feed.hub.steps.STEP", size), patch("feed.sessions.subscribing.STEP", size):
        yield


def test_nothing_but_authenticate_is_done_before_it() -> None:
    desk = Desk()
    [error] = desk.tell(type="subscribe", symbols=["A"], id=1)
    assert (error["code"], error["id"]) == ("unauthenticated", 1)
    [done] = desk.tell(type="authenticate", token="desk-2", id=2)
    assert done == {"type": "authenticated", "principal": "desk-2", "id": 2}
    assert desk.tell(type="subscribe", symbols=["A"])[0]["type"] == "subscribed"


def test_who_does_not_authenticate_in_time_is_closed_with_4501() -> None:
    desk = Desk()
    assert [delay_s for delay_s, _ in desk.world.timers] == [10.0]
    desk.world.fire_timers()
    assert desk.closes == {4501: 1}


def test_who_authenticates_in_time_stays() -> None:
    desk = Desk()
    desk.tell(type="authenticate", token="desk-2")
    desk.world.fire_timers()
    assert desk.closes == {}


def test_who_left_before_is_not_counted_as_too_late() -> None:
    desk = Desk()
    desk.session.lost()
    desk.world.fire_timers()
    assert desk.world.hub.metrics.refusals == {}


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_bad_token_is_told_and_ends_a_session_that_had_none(mode: Mode) -> None:
    desk = Desk(mode)
    error, closing = desk.tell(type="authenticate", token="canary", id=5)
    assert (error["code"], error["id"]) == ("bad_token", 5)
    assert (closing["code"], closing["reconnect"]) == (4501, False)
    assert b"canary" not in desk.transport.taken


def test_a_session_keeps_its_principal() -> None:
    desk = Desk()
    desk.register.known["desk-3"] = Principal("desk-3")
    desk.tell(type="authenticate", token="desk-2")
    assert desk.tell(type="authenticate", token="desk-3")[0]["code"] == "other_principal"
    assert desk.tell(type="authenticate", token="canary")[0]["code"] == "bad_token"
    assert desk.session.principal.name == "desk-2"
    assert desk.closes == {}


def test_a_token_is_told_of_30_s_before_it_expires_and_ends_the_session_then() -> None:
    desk = Desk()
    desk.world.clock.wall_ns = 1000 * NS
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1050)
    [done] = desk.tell(type="authenticate", token="desk-2")
    assert done["expires_at"] == 1050
    desk.tell(type="subscribe", symbols=["A"])
    desk.world.clock.wall_ns = 1020 * NS
    [notice] = desk.during(desk.world.fire_timers)
    assert notice["message"] == "the token expires in 30 s: send authenticate with a new one"
    desk.world.clock.wall_ns = 1050 * NS
    [closing] = desk.during(desk.world.fire_timers)
    assert (closing["code"], closing["reconnect"]) == (4004, True)
    assert desk.during(lambda: desk.world.publish(quote("A"))) == []


def test_no_tick_of_after_the_expiry_is_sent_though_no_timer_was_due() -> None:
    desk = Desk()
    desk.world.clock.wall_ns = 1000 * NS
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1050)
    desk.tell(type="authenticate", token="desk-2")
    desk.tell(type="subscribe", symbols=["A"])
    desk.world.clock.wall_ns = 1050 * NS - 1
    [last] = desk.during(lambda: desk.world.publish(quote("A")))
    assert last["ts_out"] == 1050 * NS - 1
    desk.world.clock.wall_ns = 1050 * NS
    [closing] = desk.during(lambda: desk.world.publish(quote("A")))
    assert (closing["type"], closing["code"]) == ("closing", 4004)


def test_what_is_owed_when_a_token_expires_is_not_sent_any_more() -> None:
    desk = Desk()
    desk.world.clock.wall_ns = 1000 * NS
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1050)
    desk.tell(type="authenticate", token="desk-2")
    desk.tell(type="subscribe", symbols=["A"], delivery="all")
    desk.transport.room = 0
    for _ in range(3):
        desk.world.publish(quote("A"))
        desk.world.hub.flush()
    desk.transport.room = 1 << 20
    desk.world.registry.admission.expire(1050 * NS)
    desk.session.delivery.drain()
    assert desk.session.busy
    assert [own["type"] for own in desk.during(desk.have_turns)] == ["closing"]


def test_a_fresh_token_of_the_same_principal_lets_the_session_go_on() -> None:
    desk = Desk()
    desk.world.clock.wall_ns = 1000 * NS
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1010)
    desk.tell(type="authenticate", token="desk-2")
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1100)
    desk.tell(type="authenticate", token="desk-2")
    desk.world.clock.wall_ns = 1020 * NS
    assert desk.during(desk.world.fire_timers) == []
    desk.world.clock.wall_ns = 1100 * NS
    assert desk.during(desk.world.fire_timers)[-1]["code"] == 4004


def test_the_wall_clock_is_read_twice_a_second_and_not_for_each_session() -> None:
    desk = Desk()
    desk.world.timers.clear()
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=100_000)
    desk.tell(type="authenticate", token="desk-2")
    second, _ = desk.open()
    second.receive(b'{"type":"authenticate","token":"desk-2"}')
    assert [delay_s for delay_s, _ in desk.world.timers if delay_s < 10] == [0.5]
    desk.world.clock.wall_ns = 200_000 * NS
    desk.during(desk.world.fire_timers)
    second.go_on()
    assert desk.closes == {4004: 2}


def test_a_revoked_key_ends_the_session() -> None:
    desk = Desk()
    desk.tell(type="authenticate", token="desk-2")
    desk.tell(type="subscribe", symbols=["A"])
    del desk.register.known["desk-2"]
    assert desk.during(desk.patrol)[0]["code"] == 4501
    assert desk.during(lambda: desk.world.publish(quote("A"))) == []


def test_symbols_taken_away_and_given_are_told_and_served_at_once() -> None:
    desk = Desk()
    desk.tell(type="authenticate", token="desk-2")
    desk.tell(type="subscribe", symbols=["A", "*"], channels=["quotes"])
    desk.world.publish(quote("A"), quote("B"))
    desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=SymbolSet(["B"]))
    tick, ack, snapshot = desk.during(desk.patrol)
    assert (tick["symbol"], tick["seq"]) == ("A", 1)
    assert ack["subscriptions"] == {"quotes": ["*"]}
    assert [(own["symbol"], own["code"]) for own in ack["rejected"]] == [("A", "not_entitled")]
    assert (snapshot["symbol"], snapshot["seqs"]) == ("B", {"quotes": 1})
    told = desk.during(lambda: desk.world.publish(quote("A"), quote("B")))
    assert [(own["symbol"], own["seq"]) for own in told] == [("B", 2)]


def test_rights_that_are_cut_while_a_first_subscribe_is_in_steps_are_held_to_after_it() -> None:
    desk = Desk()
    desk.world.publish(*map(quote, "ABCDE"))
    desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=ALL_SYMBOLS)
    desk.tell(type="authenticate", token="desk-2")
    with steps_of(1):
        desk.session.receive(b'{"type":"subscribe","symbols":["*"],"channels":["quotes"]}')
        assert desk.session.busy
        desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=SymbolSet(["B"]))
        told = desk.during(desk.patrol)
    assert [own["type"] for own in told if own["type"] != "snapshot"] == ["subscribed"] * 2
    assert sorted(own["symbol"] for own in told[-1]["rejected"]) == ["A", "C", "D", "E"]
    told = desk.during(lambda: desk.world.publish(*map(quote, "ABCDEF")))
    assert [own["symbol"] for own in told] == ["B"]


def test_a_subscribe_is_done_under_the_rights_that_it_began_with_and_what_is_lost_is_told() -> None:
    desk = Desk()
    desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=ALL_SYMBOLS)
    desk.tell(type="authenticate", token="desk-2")
    command = {"type": "subscribe", "id": 1, "symbols": ["A", "B", "C"], "channels": ["quotes"]}
    less = replace(desk.desk_2, subscribe=SymbolSet(["B"]), subscription_limit=1)
    with steps_of(1):
        desk.session.receive(orjson.dumps(command))
        desk.register.known["desk-2"] = less
        done, lost = (own for own in desk.during(desk.patrol) if own["type"] == "subscribed")
    assert done == {"type": "subscribed", "id": 1, "subscriptions": {"quotes": ["A", "B", "C"]}}
    assert [own["symbol"] for own in lost["rejected"]] == ["A", "C"]
    assert lost["subscriptions"] == {"quotes": ["B"]}


def test_a_delay_that_comes_while_a_first_subscribe_is_in_steps_ends_the_session() -> None:
    desk = Desk()
    desk.world.publish(*map(quote, "ABCDE"))
    desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=ALL_SYMBOLS)
    desk.tell(type="authenticate", token="desk-2")
    with steps_of(1):
        desk.session.receive(b'{"type":"subscribe","symbols":["*"],"channels":["quotes"]}')
        assert desk.session.busy
        desk.register.known["desk-2"] = replace(desk.desk_2, delay_s=900)
        [closing] = desk.during(desk.patrol)
    assert (closing["type"], closing["code"]) == ("closing", 4000)
    assert desk.during(lambda: desk.world.publish(*map(quote, "ABCDE"))) == []


def test_a_command_that_waits_begins_under_the_new_rights() -> None:
    desk = Desk()
    desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=ALL_SYMBOLS)
    desk.tell(type="authenticate", token="desk-2")
    with steps_of(1):
        for symbols in (["A", "B"], ["C", "D"]):
            command = {"type": "subscribe", "symbols": symbols, "channels": ["quotes"]}
            desk.session.receive(orjson.dumps(command))
        desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=SymbolSet(["B", "C"]))
        acks = [own for own in desk.during(desk.patrol) if own["type"] == "subscribed"]
    rejected = [[own["symbol"] for own in ack["rejected"]] for ack in acks if "rejected" in ack]
    assert rejected == [["A"], ["D"]]
    assert acks[-1]["subscriptions"] == {"quotes": ["B", "C"]}


def test_what_was_owed_of_a_symbol_that_is_taken_away_is_not_sent() -> None:
    desk = Desk()
    desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=ALL_SYMBOLS)
    desk.tell(type="authenticate", token="desk-2")
    desk.tell(type="subscribe", symbols=["A", "B"], delivery="all")
    desk.transport.room = 0
    for _ in range(3):
        desk.world.publish(quote("A"), quote("B"))
        desk.world.hub.flush()
    desk.register.known["desk-2"] = replace(desk.desk_2, subscribe=SymbolSet(["B"]))
    desk.patrol()
    desk.transport.room = 1 << 20
    told = desk.during(desk.session.delivery.drain)
    assert [own["symbol"] for own in told if own["type"] == "quote"] == ["B", "B", "B"]


def test_a_stranger_who_authenticates_gets_more() -> None:
    desk = Desk("optional")
    desk.register.anonymous = ANONYMOUS
    desk.tell(type="subscribe", symbols=["B"], channels=["quotes"])
    told = desk.tell(type="authenticate", token="desk-2")
    assert [own["type"] for own in told] == ["authenticated", "subscribed"]
    assert told[1]["rejected"][0]["symbol"] == "B"


def test_a_principal_has_so_many_sessions_at_a_time() -> None:
    desk = Desk()
    desk.register.known["desk-2"] = replace(desk.desk_2, session_limit=1)
    desk.tell(type="authenticate", token="desk-2")
    second, transport = desk.open()
    second.receive(b'{"type":"authenticate","token":"desk-2"}')
    assert messages(transport)[-1]["code"] == 4503
    assert desk.world.registry.admission.sessions_of == {"desk-2": 1}
    desk.session.lost()
    assert desk.world.registry.admission.sessions_of == {}
    third, transport = desk.open()
    third.receive(b'{"type":"authenticate","token":"desk-2"}')
    assert messages(transport)[-1]["type"] == "authenticated"


def test_a_key_whose_principal_has_another_name_counts_for_that() -> None:
    desk = Desk()
    admission = desk.world.registry.admission
    only_one = replace(desk.desk_2, session_limit=1)
    desk.register.known["desk-2"] = only_one
    desk.tell(type="authenticate", token="desk-2")
    desk.register.known["desk-2"] = replace(only_one, name="desk-new")
    desk.patrol()
    assert admission.sessions_of == {"desk-new": 1}
    desk.register.known["another"] = replace(only_one, credential="k2")
    desk.session, desk.transport = desk.open()
    assert desk.tell(type="authenticate", token="another")[0]["principal"] == "desk-2"
    assert admission.sessions_of == {"desk-new": 1, "desk-2": 1}
    for session in list(desk.world.registry):
        session.lost()
    assert admission.sessions_of == {}


def test_an_expiry_that_changes_with_the_key_holds_from_then_on() -> None:
    desk = Desk()
    desk.world.clock.wall_ns = 1000 * NS
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1050)
    desk.tell(type="authenticate", token="desk-2")
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1100)
    desk.patrol()
    desk.world.clock.wall_ns = 1050 * NS
    assert desk.during(lambda: desk.world.publish(quote("A"))) == []
    assert desk.closes == {}
    desk.world.clock.wall_ns = 1100 * NS
    desk.during(lambda: desk.world.publish(quote("A")))
    assert desk.closes == {4004: 1}


def failing_for(session: Session, name: str) -> Any:
    """Let a method of the class fail for one session."""
    work = vars(Session)[name]

    def method(own: Session, *arguments: object) -> None:
        if own is session:
            raise RuntimeError("odd")
        work(own, *arguments)

    return patch.object(Session, name, method)


def test_a_session_that_cannot_be_held_to_its_key_ends_and_all_others_are_held_to_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    others = [desk.open()[0] for _ in range(5)]
    for session in (desk.session, *others):
        session.receive(b'{"type":"authenticate","token":"desk-2"}')
    changed = replace(desk.desk_2, subscribe=SymbolSet(["B"]))
    desk.register.known["desk-2"] = changed
    with failing_for(desk.session, "reconsider"):
        [closing] = desk.during(desk.patrol)
    assert (closing["code"], closing["reconnect"]) == (1011, True)
    assert [session.principal for session in others] == [changed] * 5
    assert caplog.messages == ["checks of sessions failed, and go on: RuntimeError: odd"]


def test_a_session_whose_end_fails_keeps_no_other_token_from_expiring() -> None:
    desk = Desk()
    desk.register.known["desk-2"] = replace(desk.desk_2, expires_at=1050)
    sessions = [desk.open()[0] for _ in range(5)]
    for session in sessions:
        session.receive(b'{"type":"authenticate","token":"desk-2"}')
    with failing_for(sessions[2], "close_in_turn"):
        desk.world.registry.admission.expire(1050 * NS)
    assert [session.busy for session in sessions] == [True, True, False, True, True]


PATTERNS = st.lists(st.sampled_from(["A", "B", "A*", "AB", "B*", "*", "b"]), max_size=4)
CHANNELS = st.sets(st.sampled_from(["quotes", "trades"]), min_size=1)
NONE: st.SearchStrategy[list[str]] = st.just([])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("subscribe"), st.just(["*"]), CHANNELS),
        st.tuples(st.sampled_from(["subscribe", "unsubscribe"]), PATTERNS, CHANNELS),
        st.tuples(st.sampled_from(["patrol", "authenticate"]), PATTERNS, CHANNELS),
        st.tuples(st.just("delay"), NONE, CHANNELS),
        st.tuples(st.just("ticks"), NONE, CHANNELS),
        st.tuples(st.sampled_from(["go on", "room"]), NONE, CHANNELS),
    ),
    min_size=5,
    max_size=40,
)
DELAY_S = 150


class Watched(Desk):
    """A desk whose every message must be within what its principal may have at that moment."""

    def __init__(self, delivery: str) -> None:
        super().__init__()
        self.delivery = delivery
        self.register.known["desk-2"] = replace(self.desk_2, subscribe=ALL_SYMBOLS)
        self.world.clock.wall_ns = 1_000 * NS
        self.ticks()
        self.come()

    def come(self) -> None:
        self.session, self.transport = self.open()
        self.read = 0
        self.tell(type="authenticate", token="desk-2")

    def act(self, action: str, patterns: list[str], channels: set[str]) -> None:
        now = self.register.known["desk-2"]
        match action:
            case "subscribe" | "unsubscribe":
                self.command(action, patterns, channels)
            case "delay":
                self.change(replace(now, delay_s=DELAY_S - now.delay_s), "patrol")
            case "patrol" | "authenticate":
                symbols, allowed = SymbolSet(patterns), frozenset(channels)
                self.change(replace(now, subscribe=symbols, channels=allowed), action)
            case "ticks":
                self.ticks()
            case "go on" if self.session.busy:
                self.session.go_on()
            case "room":
                self.transport.room = 300
        self.check()

    def command(self, action: str, patterns: list[str], channels: set[str]) -> None:
        """Send a command when those before are done, as the transport does; it may take steps."""
        self.have_turns()
        more = {"delivery": self.delivery} if action == "subscribe" else {}
        fields = {"type": action, "symbols": patterns, "channels": sorted(channels)}
        self.session.receive(orjson.dumps(fields | more))

    def change(self, principal: Principal, how: str) -> None:
        """Change what the principal may have; it holds from the last `subscribed` on."""
        self.read = len(messages(self.transport, torn=True))
        self.register.known["desk-2"] = principal
        if how == "patrol":
            self.patrol()
        else:
            self.have_turns()
            self.session.receive(b'{"type":"authenticate","token":"desk-2"}')
            self.have_turns()
        self.transport.room = 1 << 40
        self.session.delivery.drain()
        told = [own["type"] for own in messages(self.transport)[self.read :]]
        if "subscribed" in told:
            self.read += len(told) - told[::-1].index("subscribed")
        if self.session.ended:
            self.come()

    def ticks(self) -> None:
        self.world.clock.wall_ns += 100 * NS
        for symbol in ("A", "AB", "B", "b"):
            self.world.publish(quote(symbol), trade(symbol))
        self.world.hub.flush()
        self.world.registry.tiers.catch_up()
        self.world.fire_timers()

    def check(self) -> None:
        may, until_ns = self.session.principal, self.world.clock.wall_ns
        until_ns -= may.delay_s * NS
        for own in messages(self.transport, torn=True)[self.read :]:
            if own["type"] == "snapshot":
                assert own["symbol"] in may.subscribe
            for kind in ("quote", "trade"):
                tick = own if own["type"] == kind else own.get(kind)
                if tick is not None:
                    assert may.rights.allow(f"{kind}s", tick["symbol"])
                    assert tick["ts_out"] <= until_ns


@settings(max_examples=400, deadline=None)
@given(ACTIONS, st.sampled_from(["adaptive", "all", "latest"]), st.sampled_from([1, 2, STEP]))
def test_whatever_happens_no_tick_is_sent_that_is_not_entitled(
    actions: list[tuple[str, list[str], set[str]]], delivery: str, step: int
) -> None:
    with steps_of(step):
        desk = Watched(delivery)
        for action in actions:
            desk.act(*action)
