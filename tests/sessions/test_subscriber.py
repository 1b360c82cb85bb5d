from __future__ import annotations

from typing import Any

import orjson

from feed.hub.stream import Stream
from feed.hub.subscriptions import NOTHING
from feed.sessions.own import OwnTicks
from feed.sessions.subscriber import Subscriber
from tests.fakes import FakeTransport, World, frames, quote, trade


class Desk:
    """A session that has subscribed, as its hub sees it."""

    def __init__(self, **command: Any) -> None:
        self.world = World()
        self.world.publish(quote("A"), trade("A"))
        self.session = self.world.registry.open(FakeTransport(), batched=False, peer="test")
        self.tell(type="subscribe", symbols=["A"], snapshot=False, **command)

    def tell(self, **command: Any) -> None:
        self.session.receive(orjson.dumps(command))

    @property
    def subscriber(self) -> Subscriber:
        return self.session.delivery.subscriber

    def stream(self, channel: str) -> Stream:
        return self.world.hub.index.stream(channel, "A")


def test_one_that_has_asked_for_nothing_takes_nothing() -> None:
    subscriber = Subscriber(World().registry.tiers.of(0), batched=True)
    assert subscriber.subscriptions is NOTHING
    assert subscriber.restart() == {}
    assert subscriber.new_outbox().empty


def test_a_new_numbering_begins_with_a_snapshot_of_every_channel() -> None:
    desk = Desk(delivery="latest")
    desk.world.publish(quote("A"))
    desk.tell(type="subscribe", symbols=["A"], channels=["bars"], snapshot=False)
    assert {name: set(own) for name, own in desk.subscriber.restart().items()} == {
        "A": {"quotes", "trades", "bars"}
    }
    assert desk.subscriber.positions == {desk.stream("quotes"): 2, desk.stream("trades"): 1}


def test_a_snapshot_brings_what_is_taken_at_an_interval_up_to_its_seqs() -> None:
    desk = Desk(delivery="latest")
    desk.world.publish(quote("A"), trade("A"))
    [(_, payload)] = frames(desk.subscriber.snapshot("A", ("quotes",)))
    assert orjson.loads(payload)["seqs"] == {"quotes": 2}
    assert desk.subscriber.positions == {desk.stream("quotes"): 2, desk.stream("trades"): 1}


def test_nothing_is_known_of_a_stream_once_it_is_not_subscribed_any_more() -> None:
    desk = Desk(delivery="latest")
    subscriber, quotes, trades = desk.subscriber, desk.stream("quotes"), desk.stream("trades")
    subscriber.own = OwnTicks()
    subscriber.own.add(quotes, quotes.seq)
    subscriber.own.add(trades, trades.seq)
    subscriber.forget({quotes})
    assert subscriber.positions == {trades: 1}
    assert subscriber.own.newest(quotes) is None
    assert subscriber.own.newest(trades) == 1


def test_one_that_has_left_is_in_no_cohort() -> None:
    desk = Desk()
    assert desk.subscriber.cohort in list(desk.world.hub.index.cohorts)
    desk.subscriber.leave(desk.session.delivery)
    assert desk.subscriber.subscriptions is NOTHING
    assert not list(desk.world.hub.index.cohorts)
