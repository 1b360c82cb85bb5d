from __future__ import annotations

from typing import Any

import orjson

from feed.sessions.entitlements import Principal
from feed.symbols import ALL_SYMBOLS
from tests.fakes import FakeTransport, World, messages, quote

TRADE = {"type": "trade", "symbol": "A", "price": 1.5, "size": 1}
QUOTE = {"type": "quote", "symbol": "A", "bid": 1, "ask": 2}
BAR: dict[str, Any] = {
    "type": "bar",
    "symbol": "A",
    "interval": "1s",
    "open": 2,
    "high": 2,
    "low": 2,
    "close": 2,
}
BAR["ts_event"] = 10**18


class Desk:
    """A session that publishes, beside one that asked for the same."""

    def __init__(self, *, batched: bool = False) -> None:
        self.world = World(anonymous=Principal("desk", ALL_SYMBOLS, ALL_SYMBOLS))
        self.transport, self.neighbour = FakeTransport(), FakeTransport()
        self.session, self.other = (
            self.world.registry.open(own, batched=batched, peer="test")
            for own in (self.transport, self.neighbour)
        )

    def subscribe(self, **fields: Any) -> None:
        command = {"type": "subscribe", "symbols": ["*"], "snapshot": False} | fields
        for session in (self.session, self.other):
            session.receive(orjson.dumps(command))
        self.transport.taken.clear()
        self.neighbour.taken.clear()

    def publish(self, *ticks: dict[str, Any], **fields: Any) -> None:
        self.session.receive(orjson.dumps({"type": "publish", "ticks": ticks} | fields))

    def told(self) -> list[tuple[Any, ...]]:
        """Give what the publisher was sent: ticks by seq, notices by range and reason."""
        self.world.hub.flush()
        found: list[tuple[Any, ...]] = []
        for own in messages(self.transport):
            if own["type"] == "skipped":
                found.append((own["reason"], own["channel"], own["first_seq"], own["last_seq"]))
            elif "seq" in own:
                found.append((own["type"], own["seq"]))
        return found


def test_others_get_what_a_session_publishes_and_itself_a_notice() -> None:
    desk = Desk()
    desk.subscribe()
    desk.publish(QUOTE, TRADE, QUOTE, id=1)
    assert desk.told() == [("own", "quotes", 1, 2), ("own", "trades", 1, 1)]
    [answer] = [own for own in messages(desk.transport) if own["type"] == "published"]
    assert answer == {
        "type": "published", "accepted": 3, "seqs": [1, 1, 2], "rejected": [], "id": 1,
    }  # fmt: skip
    ticks = [(own["type"], own["seq"]) for own in messages(desk.neighbour)]
    assert ticks == [("quote", 1), ("trade", 1), ("quote", 2)]


def test_with_echo_it_gets_them_too() -> None:
    desk = Desk()
    desk.subscribe()
    desk.publish(QUOTE, echo=True)
    assert desk.told() == [("quote", 1)]


def test_what_others_published_just_before_still_comes_before_the_notice() -> None:
    for batched in (False, True):
        desk = Desk(batched=batched)
        desk.subscribe()
        desk.world.publish(quote("A"))
        desk.publish(QUOTE)
        desk.world.publish(quote("A"))
        assert desk.told() == [("quote", 1), ("own", "quotes", 2, 2), ("quote", 3)]


def test_while_it_is_behind_the_notice_keeps_its_place() -> None:
    for batched in (False, True):
        desk = Desk(batched=batched)
        desk.subscribe(delivery="all")
        desk.transport.room = 10
        desk.world.publish(quote("A"), quote("A"))
        desk.world.hub.flush()
        desk.publish(QUOTE)
        desk.world.publish(quote("A"))
        desk.world.hub.flush()
        desk.transport.room = 1 << 20
        desk.session.delivery.drain()
        assert desk.told() == [("quote", 1), ("quote", 2), ("own", "quotes", 3, 3), ("quote", 4)]


def test_bars_that_its_ticks_close_are_not_its_own() -> None:
    desk = Desk()
    desk.subscribe(channels=["bars", "trades"])
    desk.world.clock.wall_ns = 10**18
    desk.publish(TRADE)
    desk.world.clock.wall_ns += 10**9
    desk.publish(BAR, TRADE, BAR)
    assert desk.told() == [
        ("own", "trades", 1, 1),
        ("own", "bars", 1, 1),
        ("bar", 2),
        ("own", "trades", 2, 2),
        ("own", "bars", 3, 3),
    ]


def test_latest_says_what_was_conflated_and_that_the_newest_is_its_own() -> None:
    desk = Desk()
    desk.subscribe(delivery="latest", channels=["quotes"])
    desk.world.publish(quote("A"), quote("A"))
    desk.publish(QUOTE, QUOTE)
    desk.world.fire_timers()
    assert desk.told() == [("conflated", "quotes", 1, 2), ("own", "quotes", 3, 4)]
    desk.world.publish(quote("A"))
    desk.world.fire_timers()
    assert desk.told()[2:] == [("quote", 5)]


def test_a_session_that_may_not_publish_is_told_and_stays() -> None:
    world, transport = World(), FakeTransport()
    session = world.registry.open(transport, batched=False, peer="test")
    session.receive(orjson.dumps({"type": "publish", "id": 3, "ticks": [TRADE]}))
    error = messages(transport)[-1]
    assert (error["code"], error["id"]) == ("not_entitled", 3)
    assert world.hub.metrics.ticks_in == 0
