"""tests/hub/test_late.py has what a tier serves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.hub.late import LateHub
from feed.hub.steps import STEP
from feed.sessions.entitlements import ANONYMOUS
from feed.sessions.limits import Limits
from tests.fakes import FakeTransport, World, messages, quote
from tests.sessions.test_delivery import EarlyConflation, Ledger, Run, action, check


def test_one_hub_serves_all_of_a_delay_and_the_live_one_those_without() -> None:
    world = World()
    tiers = world.registry.tiers
    tiers.open([900, 60])
    assert tiers.of(0).hub is world.hub
    assert isinstance(tiers.of(900).hub, LateHub)
    assert tiers.of(900) is tiers.of(900)
    assert tiers.of(900).hub is not tiers.of(60).hub


def test_a_delay_that_is_new_is_caught_up_with_in_steps() -> None:
    world = World(journal_ticks_per_stream=10_000)
    world.publish(*(quote("A") for _ in range(50)))
    world.clock.wall_ns += 60_000_000_000
    with patch("feed.hub.late.TURN_TICKS", 12), patch("feed.hub.late.CHUNK", 5):
        late = world.registry.tiers.of(60).hub.index.stream("quotes", "A")
        seqs = [late.seq]
        while world.timers:
            world.fire_timers()
            seqs.append(late.seq)
    assert 0 < seqs[0] < seqs[1] < 50
    assert seqs[-1] == 50
    assert not world.registry.tiers.behind


def test_a_late_hub_that_failed_once_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World(journal_ticks_per_stream=10_000)
    tiers = world.registry.tiers
    world.publish(*(quote("A") for _ in range(50)))
    world.clock.wall_ns += 60_000_000_000
    with patch("feed.hub.late.TURN_TICKS", 12), patch("feed.hub.late.CHUNK", 5):
        late = tiers.of(60).hub.index.stream("quotes", "A")
        assert tiers.behind
        with patch.object(LateHub, "catch_up", side_effect=RuntimeError("odd")):
            world.fire_timers()
        assert late.seq < 50
        tiers.catch_up()
        while world.timers:
            world.fire_timers()
    assert late.seq == 50
    assert caplog.messages == ["late hubs failed, and go on: RuntimeError: odd"]


def test_a_late_hub_that_fails_holds_up_no_other() -> None:
    world = World()
    tiers = world.registry.tiers
    tiers.open([30, 60])
    world.publish(quote("A"))
    world.clock.wall_ns += 60_000_000_000
    with patch.object(tiers.of(30).hub, "catch_up", side_effect=RuntimeError("odd")):
        tiers.catch_up()
    seqs = [tiers.of(delay_s).hub.index.stream("quotes", "A").seq for delay_s in (30, 60)]
    assert seqs == [0, 1]


late_action = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 12)),
    st.tuples(st.just("room"), st.integers(0, 300)),
    action,
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(late_action, min_size=20, max_size=60),
    st.booleans(),
    st.sampled_from([1, STEP]),
    st.sampled_from([1, 3, 10, 40]),
    st.sampled_from([3, 2_000]),
)
def test_received_and_skipped_cover_every_seq_once_whatever_the_journal_could_not_hold(
    schedule: list[tuple[str, Any]], batched: bool, step: int, journal_ticks: int, turn_ticks: int
) -> None:
    with patch("feed.hub.steps.STEP", step), patch("feed.hub.late.TURN_TICKS", turn_ticks):
        run = Run(
            batched=batched, limits=EarlyConflation(), delay_s=10, journal_ticks=journal_ticks
        )
        for name, detail in schedule:
            run.step(name, detail)
        run.settle()
    check(run, run.ledger, run.transport)
    check(run, Ledger(), run.neighbour)


def test_what_the_journal_could_not_hold_is_told_to_those_who_take_it() -> None:
    world = World(journal_ticks_per_stream=3)
    principal = replace(ANONYMOUS, delay_s=60)
    takes, other = FakeTransport(), FakeTransport()
    for transport, symbol, delivery in ((takes, "A", "adaptive"), (other, "B", "latest")):
        session = world.registry.open(transport, batched=False, peer="a", principal=principal)
        command = {"type": "subscribe", "symbols": [symbol], "channels": ["quotes"]}
        session.receive(orjson.dumps(command | {"delivery": delivery}))
    world.publish(*(quote("A") for _ in range(5)))
    world.clock.wall_ns += 60_000_000_000
    world.registry.tiers.catch_up()
    world.registry.tiers.of(60).hub.flush()
    skipped, *ticks = messages(takes)[3:]
    assert (skipped["first_seq"], skipped["last_seq"]) == (1, 2)
    assert skipped["reason"] == "journal"
    assert [own["seq"] for own in ticks] == [3, 4, 5]
    assert "skipped" not in [own["type"] for own in messages(other)]


class Late:
    """Somebody who is a minute late, at a feed whose journal holds three ticks of a stream."""

    def __init__(self, delivery: str, limits: Limits | None = None) -> None:
        self.world = World(None, limits, journal_ticks_per_stream=3)
        self.transport = FakeTransport()
        principal = replace(ANONYMOUS, delay_s=60)
        registry = self.world.registry
        self.session = registry.open(self.transport, batched=False, peer="a", principal=principal)
        command = {"type": "subscribe", "symbols": ["A"], "channels": ["quotes"]}
        self.session.receive(orjson.dumps(command | {"delivery": delivery}))

    def publish(self, count: int) -> None:
        self.world.publish(*(quote("A") for _ in range(count)))

    def after(self, seconds: int) -> list[tuple[object, ...]]:
        """Let time pass, and give what came of it: the range, and the reason if it was skipped."""
        before = len(messages(self.transport, torn=True))
        self.world.clock.wall_ns += seconds * 1_000_000_000
        self.world.registry.tiers.catch_up()
        self.world.fire_timers()
        return [
            (own["seq"],) if "seq" in own else (own["first_seq"], own["last_seq"], own["reason"])
            for own in messages(self.transport, torn=True)[before:]
        ]


def test_at_an_interval_a_hole_is_told_once_with_what_else_is_not_sent() -> None:
    late = Late("latest")
    late.publish(1)
    assert late.after(60) == [(1,)]
    late.publish(2)
    assert late.after(30) == []
    late.publish(5)
    assert late.after(30) == [(2, 5, "journal")], "and not the newest tick before it again"
    assert late.after(30) == [(6, 7, "conflated"), (8,)]
    late.publish(9)
    assert late.after(60) == [(9, 16, "conflated"), (17,)]


def test_a_hole_takes_its_place_among_ticks_that_are_owed() -> None:
    late = Late("all")
    late.publish(3)
    late.transport.room = 0
    late.after(60)
    late.publish(5)
    late.after(60)
    late.transport.room = 1 << 20
    before = len(messages(late.transport, torn=True))
    late.session.delivery.drain()
    seqs = [own.get("seq", own.get("last_seq")) for own in messages(late.transport)[before:]]
    assert seqs == [1, 2, 3, 5, 6, 7, 8]


def test_a_hole_is_part_of_what_is_conflated() -> None:
    late = Late("adaptive", EarlyConflation())
    late.publish(3)
    late.transport.room = 10
    late.after(60)
    for _ in range(4):
        late.publish(5)
        late.after(60)
    late.publish(5)
    late.after(30)
    late.publish(3)
    late.after(30)
    late.transport.room = 1 << 20
    late.session.delivery.drain()
    told = [own for own in messages(late.transport) if own["type"] in ("quote", "skipped")]
    assert [(own["type"], own.get("last_seq", own.get("seq"))) for own in told] == [
        ("quote", 1),
        ("skipped", 28),
    ]
    assert late.after(30) == [(29,), (30,), (31,)]
