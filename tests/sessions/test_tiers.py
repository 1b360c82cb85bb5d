"""tests/hub/test_late.py has what a tier serves."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import orjson

from feed.hub.late import LateHub
from feed.sessions.entitlements import ANONYMOUS
from tests.fakes import FakeTransport, World, messages, quote


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
