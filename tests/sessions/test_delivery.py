"""The promise of the feed: whatever a peer does, each stream's account closes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.hub.steps import STEP
from feed.sessions.entitlements import Principal
from feed.sessions.limits import Limits
from feed.sessions.move import AT_ONCE
from feed.sessions.session import Receipt, Session
from feed.symbols import ALL_SYMBOLS
from feed.ticks import CHANNEL_OF
from tests.fakes import FakeTransport, World, messages, quote, trade

SYMBOLS = ["A", "B", "BC"]
PATTERNS = [*SYMBOLS, "*", "B*"]
KINDS = ["quote", "trade", "bar", "poison"]
PRICES: dict[str, dict[str, Any]] = {
    "quote": {"bid": 1, "ask": 2},
    "trade": {"price": 1.5, "size": 0.25},
    "bar": {"interval": "1h", "open": 2, "high": 3, "low": 1, "close": 2},
    "poison": {"type": "trade", "price": None},
}
PUBLISHER = Principal("desk", subscribe=ALL_SYMBOLS, publish=ALL_SYMBOLS)
CHANNEL = {"quote": "quotes", "trade": "trades", "bar": "bars", "status": "status"}


class Ledger:
    """A client that holds the server to its rules, message by message."""

    def __init__(self) -> None:
        self.epoch = ""
        self.own: set[tuple[str, str, str, int]] = set()
        self.position: dict[tuple[str, str], int] = {}
        self.subscribed: dict[str, list[str]] = {}
        self.resumed_from: dict[tuple[str, str], int] = {}
        self.resuming: set[tuple[str, str]] = set()
        self.acks = 0

    def read(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribed":
                self.acks += 1
                self.subscribed = message["subscriptions"]
                self.give_up_resumes()
                wanted = {own: at for own, at in self.position.items() if self.wants(*own)}
                self.position = self.resumed_from | wanted
            case "snapshot":
                for channel, seq in message["seqs"].items():
                    stream = channel, message["symbol"]
                    assert self.position.get(stream, seq) == seq, f"hole before {message}"
                    self.position[stream] = seq
            case "resumed":
                stream = message["channel"], message["symbol"]
                if message["complete"]:
                    assert self.position[stream] == message["to_seq"]
                    assert message["from_seq"] == self.resumed_from.pop(stream) + 1
                else:
                    self.advance(stream, message["from_seq"], message["to_seq"])
            case "skipped":
                stream = message["channel"], message["symbol"]
                assert message["count"] == message["last_seq"] - message["first_seq"] + 1 > 0
                self.advance(stream, message["first_seq"], message["last_seq"])
            case "welcome" | "epoch" if message["epoch"] != self.epoch:
                self.epoch = message["epoch"]
                self.position.clear()
                self.resumed_from.clear()
            case "quote" | "trade" | "bar" as kind:
                stream = CHANNEL[kind], message["symbol"]
                self.advance(stream, message["seq"], message["seq"])
                if stream not in self.resumed_from:
                    assert (self.epoch, *stream, message["seq"]) not in self.own, (
                        "its own tick was sent back"
                    )

    def give_up_resumes(self) -> None:
        """Forget the resumes of streams that were subscribed again, and are not any more."""
        given_up = {own for own in self.resuming if not self.wants(*own)}
        self.resumed_from = {
            own: at for own, at in self.resumed_from.items() if own not in given_up
        }
        self.resuming = {own for own in self.resumed_from if self.wants(*own)}

    def advance(self, stream: tuple[str, str], first: int, last: int) -> None:
        assert self.wants(*stream), f"foreign tick of {stream}"
        assert self.position.get(stream, first - 1) == first - 1, f"hole or duplicate in {stream}"
        self.position[stream] = last

    def wants(self, channel: str, symbol: str) -> bool:
        patterns = self.subscribed.get(channel, [])
        return any(
            own == symbol or (own[-1] == "*" and symbol.startswith(own[:-1])) for own in patterns
        )


action = st.one_of(
    st.tuples(
        st.just("publish"),
        st.lists(st.tuples(st.sampled_from(SYMBOLS), st.booleans()), min_size=1, max_size=60),
    ),
    st.tuples(
        st.just("send"),
        st.tuples(
            st.lists(
                st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(KINDS)),
                min_size=1,
                max_size=20,
            ),
            st.booleans(),
        ),
    ),
    st.tuples(
        st.just("subscribe"),
        st.fixed_dictionaries(
            {
                "symbols": st.lists(st.sampled_from(PATTERNS), max_size=3),
                "channels": st.lists(
                    st.sampled_from(["quotes", "trades", "bars"]), min_size=1, unique=True
                ),
                "delivery": st.sampled_from(["adaptive", "all", "latest"]),
                "snapshot": st.booleans(),
            }
        ),
    ),
    st.tuples(
        st.just("unsubscribe"),
        st.fixed_dictionaries(
            {
                "symbols": st.lists(st.sampled_from(PATTERNS), max_size=2),
                "channels": st.lists(
                    st.sampled_from(["quotes", "trades", "bars"]), min_size=1, unique=True
                ),
            }
        ),
    ),
    st.tuples(st.just("restart"), st.sampled_from(["", "A", "ABBC"])),
    st.tuples(st.just("room"), st.integers(0, 3000)),
    st.tuples(st.just("reconnect"), st.sampled_from(["adaptive", "all"])),
    st.tuples(st.sampled_from(["flush", "drain", "fire", "ping", "go on"]), st.none()),
)
actions = st.lists(action, min_size=15, max_size=60)


class EarlyConflation(Limits):
    """Conflates early but never closes, so that an account goes on to its end."""

    watermark_bytes = 600


def finish(session: Session) -> None:
    while session.busy:
        session.go_on()


class Run:
    """One session among neighbours with the same wishes, driven through a schedule."""

    def __init__(
        self, *, batched: bool, limits: Limits, delay_s: int = 0, journal_ticks: int = 40
    ) -> None:
        publisher = replace(PUBLISHER, delay_s=delay_s)
        self.world = World(
            limits=limits, journal_ticks_per_stream=journal_ticks, anonymous=publisher
        )
        self.delay_s = delay_s
        self.batched = batched
        self.returning: dict[str, list[str]] = {}
        self.ledger = Ledger()
        self.open()
        self.neighbour = FakeTransport()
        self.other = self.world.registry.open(self.neighbour, batched=batched, peer="test")

    def open(self) -> None:
        self.transport = FakeTransport()
        self.session = self.world.registry.open(self.transport, batched=self.batched, peer="test")

    def reconnect(self, delivery: str) -> None:
        """Cut the connection in the middle of whatever it is doing and ask for what was missed."""
        self.session.lost()
        for message in messages(self.transport, torn=True):
            self.ledger.read(message)
        self.open()
        ledger = self.ledger
        if ledger.acks >= len(self.returning):  # else it is cut off before it is back
            self.returning = ledger.subscribed
        resume: dict[str, Any] = {"epoch": ledger.epoch}
        for (channel, symbol), position in ledger.position.items():
            resume.setdefault(channel, {})[symbol] = position
        ledger.resumed_from = dict(ledger.position)
        for channel, patterns in self.returning.items():
            command = {"symbols": patterns, "channels": [channel], "delivery": delivery}
            self.tell(self.session, orjson.dumps(command | {"type": "subscribe", "resume": resume}))
        ledger.subscribed, ledger.acks, ledger.resuming = {}, 0, set()
        ledger.own.clear()

    def tell(self, session: Session, command: bytes) -> None:
        """Send a command when those before are done, as the transport does."""
        finish(session)
        session.receive(command)

    def send(self, kinds: list[tuple[str, str]], *, echo: bool) -> None:
        """Let the session publish, at a later time than before."""
        ticks = [{"type": kind, "symbol": name} | PRICES[kind] for name, kind in kinds]
        self.world.clock.wall_ns += 300_000_000
        publish = self.world.registry.publish

        def noted(publisher: Principal, offered: list[Any]) -> Receipt:
            receipt = publish(publisher, offered)
            if not echo and not self.delay_s:  # who is late gets them in their time
                epoch = self.world.tickerplant.epoch
                for tick in receipt.ticks:
                    self.ledger.own.add((epoch, CHANNEL_OF[type(tick)], tick.symbol, tick.seq))
            return receipt

        finish(self.session)
        self.world.registry.publish = noted
        self.tell(self.session, orjson.dumps({"type": "publish", "ticks": ticks, "echo": echo}))
        finish(self.session)
        self.world.registry.publish = publish

    def step(self, action: str, detail: Any) -> None:
        world, session = self.world, self.session
        match action:
            case "publish":
                world.publish(*(trade(name) if event else quote(name) for name, event in detail))
            case "subscribe" | "unsubscribe":
                command = orjson.dumps({"type": action} | detail)
                self.tell(self.other, command)
                self.tell(session, command)
            case "send":
                self.send(detail[0], echo=detail[1])
            case "restart":
                self.world.restart(detail)
                self.other.delivery.drain()  # its socket takes everything, and says so at once
            case "pass":
                self.let_pass(detail)
            case "room":
                self.transport.room = detail
            case "flush":
                world.hub.flush()
            case "drain":
                session.delivery.drain()
            case "fire":
                world.fire_timers()
            case "reconnect":
                self.reconnect(detail)
            case "ping":
                self.tell(session, b'{"type":"ping"}')
            case "go on":
                for own in (session, self.other):
                    if own.busy:
                        own.go_on()

    def let_pass(self, seconds: int) -> None:
        self.world.clock.wall_ns += seconds * 1_000_000_000
        self.world.registry.tiers.catch_up()

    def settle(self) -> None:
        self.transport.room = 1 << 40
        self.let_pass(self.delay_s)
        finish(self.session)
        finish(self.other)
        self.world.hub.flush()
        for _ in range(1000):
            if self.session.delivery.outbox is None and not self.world.timers:
                return
            self.world.fire_timers()
            self.session.delivery.drain()
        raise AssertionError("the outbox never drained, or timers have no end")


def check(run: Run, ledger: Ledger, transport: FakeTransport) -> None:
    for message in messages(transport):
        ledger.read(message)
    index = run.world.registry.tiers.of(run.delay_s).hub.index
    for (channel, symbol), position in ledger.position.items():
        stream = index.find(channel, symbol)
        assert position == (stream.seq if stream else 0), "ticks at the end are unaccounted for"


@settings(max_examples=300, deadline=None)
@given(actions, st.booleans(), st.sampled_from([1, 2, STEP]), st.sampled_from([0, AT_ONCE]))
def test_received_and_skipped_cover_every_seq_once(
    schedule: list[tuple[str, Any]], batched: bool, step: int, at_once: int
) -> None:
    with patch("feed.hub.steps.STEP", step), patch("feed.sessions.move.AT_ONCE", at_once):
        run = Run(batched=batched, limits=EarlyConflation())
        for action, detail in schedule:
            run.step(action, detail)
        run.settle()
    check(run, run.ledger, run.transport)
    check(run, Ledger(), run.neighbour)


@settings(max_examples=150, deadline=None)
@given(actions, st.booleans(), st.integers(6_000, 20_000))
def test_queued_bytes_stay_near_the_limit_or_the_session_is_closed_with_4001(
    schedule: list[tuple[str, Any]], batched: bool, limit_bytes: int
) -> None:
    run = Run(batched=batched, limits=Limits(outbox_bytes=limit_bytes))
    for action, detail in schedule:
        run.step(action, detail)
        closed = run.world.hub.metrics.sessions_closed.get(4001)
        assert closed or run.session.delivery.queued_bytes <= 1.5 * limit_bytes
    run.settle()
    assert messages(run.transport)  # whole frames to the end, whatever happened


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 40)), max_size=30), st.booleans())
def test_a_trade_is_never_conflated_under_adaptive(
    stalls: list[tuple[int, int]], batched: bool
) -> None:
    run = Run(batched=batched, limits=EarlyConflation())
    run.step("subscribe", {"symbols": ["A"]})
    sent = 0
    for room, count in stalls:
        run.step("room", room)
        run.world.publish(*(t for _ in range(count) for t in (quote("A"), trade("A"))))
        run.world.hub.flush()
        run.session.delivery.drain()
        sent += count
    run.settle()
    trades = [own["seq"] for own in messages(run.transport) if own["type"] == "trade"]
    assert trades == list(range(1, sent + 1))


def test_a_peer_that_never_reads_its_close_is_let_go_in_the_end() -> None:
    world, transport = World(), FakeTransport()
    session = world.registry.open(transport, batched=False, peer="test")
    transport.room = 0
    session.close(4001, "slow consumer")
    assert not transport.finished
    world.fire_timers()
    assert transport.aborted


def test_a_peer_that_takes_its_close_at_once_is_not_waited_for() -> None:
    world, transport = World(), FakeTransport()
    world.registry.open(transport, batched=False, peer="test").close(4000, "draining")
    assert transport.finished
    assert world.timers == []


def test_nothing_comes_after_the_close_that_an_answer_brings_about() -> None:
    names = [f"S{number}" for number in range(AT_ONCE + 8)]
    world, transport = World(limits=Limits(outbox_bytes=400)), FakeTransport()
    world.publish(*(quote(own) for own in names))
    session = world.registry.open(transport, batched=False, peer="test")
    transport.room = 0
    session.receive(orjson.dumps({"type": "ping"}))  # its answer has to wait, and so has the next
    session.receive(orjson.dumps({"type": "subscribe", "symbols": names}))
    while session.busy:
        session.go_on()
    transport.room = 1 << 40
    session.delivery.drain()
    assert messages(transport)[-1]["type"] == "closing"
    assert transport.finished
