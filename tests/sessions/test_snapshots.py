from __future__ import annotations

from typing import Any
from unittest.mock import patch

import orjson
import pytest

from feed.hub.last_values import LastValues
from feed.sessions import snapshots
from feed.sessions.snapshots import Snapshots
from feed.ticks import CHANNELS
from tests.fakes import World, frames, quote, trade

ALL = frozenset(CHANNELS)


def read(own: Snapshots, symbol: str = "A", allowed: frozenset[str] = ALL) -> dict[str, Any]:
    [(_, payload)] = frames(own.frame(symbol, ("quotes",), allowed))
    found: dict[str, Any] = orjson.loads(payload)
    return found


def test_a_snapshot_is_made_once_until_its_symbol_ticks() -> None:
    world = World()
    own = Snapshots(world.hub)
    world.publish(quote("A"), quote("B"))
    first = own.frame("A", ("quotes",), ALL)
    world.publish(quote("B"))
    assert own.frame("A", ("quotes",), ALL) is first
    world.publish(quote("A", bid=2))
    assert read(own)["quote"]["bid"] == 2
    world.publish(trade("A", price=3))
    assert read(own)["session"]["last"] == 3


def test_one_that_was_asked_for_otherwise_is_another() -> None:
    world = World()
    own = Snapshots(world.hub)
    world.publish(quote("A"), trade("A"))
    assert read(own)["trade"]["seq"] == 1
    assert "trade" not in read(own, allowed=frozenset(("quotes",)))
    [(_, both)] = frames(own.frame("A", ("quotes", "trades"), ALL))
    assert orjson.loads(both)["seqs"] == {"quotes": 1, "trades": 1}


def test_none_is_kept_of_an_earlier_numbering() -> None:
    world = World()
    world.publish(quote("A", bid=1))
    own = world.registry.tiers.of(0).snapshots
    assert read(own)["quote"]["bid"] == 1
    world.restart(gone="A")
    world.publish(quote("A", bid=2))
    assert read(own)["quote"]["bid"] == 2


def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "KEPT", 2)
    own = Snapshots(World().hub)
    with patch.object(LastValues, "snapshot", wraps=own._last_values.snapshot) as made:
        for symbol in "ABCAA":
            read(own, symbol)
    assert made.call_count == 4
    assert len(own._kept) == 2
