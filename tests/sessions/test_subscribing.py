from __future__ import annotations

from typing import Any

import orjson
import pytest

from feed.hub.steps import STEP
from feed.sessions.limits import Limits
from feed.sessions.session import Session
from tests.fakes import FakeTransport, World, messages, quote

MANY = [f"S{number:04}" for number in range(2 * STEP)]


class Desk:
    """A session at a feed where many symbols have ticked."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.world = World(limits=limits)
        self.world.publish(*map(quote, MANY))
        self.transport = FakeTransport()
        self.session = self.world.registry.open(self.transport, batched=False, peer="test")

    def tell(self, **command: Any) -> int:
        """Send a command and give how many steps it takes beside the first."""
        self.session.receive(orjson.dumps(command))
        return finish(self.session)

    @property
    def answers(self) -> list[dict[str, Any]]:
        return messages(self.transport)[1:]


def finish(session: Session) -> int:
    steps = 0
    while session.busy:
        session.go_on()
        steps += 1
    return steps


def test_a_watchlist_is_subscribed_in_one_step() -> None:
    assert Desk().tell(type="subscribe", symbols=MANY[:100]) == 0


@pytest.mark.parametrize("symbols", [MANY, ["*"], [f"S{number:02}*" for number in range(20)]])
def test_many_symbols_are_subscribed_and_unsubscribed_in_steps(symbols: list[str]) -> None:
    desk = Desk()
    assert desk.tell(type="subscribe", symbols=symbols, channels=["quotes"]) >= 3
    assert desk.answers[0]["subscriptions"] == {"quotes": symbols}
    desk.world.hub.flush()
    while desk.session.delivery.outbox is not None:
        desk.session.delivery.drain()
    assert {own["symbol"] for own in desk.answers[1:]} == set(MANY)
    assert desk.tell(type="unsubscribe", symbols=symbols) >= 1
    assert desk.answers[-1]["subscriptions"] == {}


def test_until_the_last_step_nothing_has_changed() -> None:
    desk = Desk()
    desk.session.receive(b'{"type":"subscribe","symbols":["*"],"snapshot":false}')
    assert desk.session.busy
    desk.world.publish(quote(MANY[0]))
    desk.world.hub.flush()
    assert desk.answers == []
    finish(desk.session)
    desk.world.publish(quote(MANY[0]))
    desk.world.hub.flush()
    assert [own["type"] for own in desk.answers] == ["subscribed", "quote"]


def test_a_session_that_ends_meanwhile_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.session.receive(b'{"type":"subscribe","symbols":["*"]}')
    assert list(desk.world.hub.index.cohorts)
    desk.session.lost()
    assert not desk.session.busy
    assert not list(desk.world.hub.index.cohorts)


def test_a_command_that_names_more_than_a_session_may_hold_is_refused_at_once() -> None:
    desk = Desk(Limits(subscriptions=3))
    for command in ("subscribe", "unsubscribe"):
        assert desk.tell(type=command, symbols=["A", "B", "!", "?"]) == 0
        [error] = desk.answers[-1:]
        assert error["code"] == "limit_exceeded"
        assert error["message"] == "a command may name 3 symbols, this one names 4: split it"


def test_a_session_has_few_different_intervals_and_may_use_each_again() -> None:
    desk = Desk(Limits(intervals=2))
    for name, interval_ms in (("A", 10), ("B", 20), ("C", 20)):
        desk.tell(type="subscribe", symbols=[name], delivery="latest", interval_ms=interval_ms)
    desk.tell(type="subscribe", symbols=["D"], delivery="latest", interval_ms=30)
    error = desk.answers[-1]
    assert error["code"] == "limit_exceeded"
    assert error["message"] == (
        "interval_ms must be one of 10, 20, was 30 (a session may have 2 different ones)"
    )
    desk.tell(type="unsubscribe", symbols=["A"])
    desk.tell(type="subscribe", symbols=["D"], delivery="latest", interval_ms=30)
    assert desk.answers[-2]["type"] == "subscribed"
