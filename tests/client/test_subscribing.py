from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from feed.client import subscribing
from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed, MessageError
from feed.protocol.messages import (
    ErrorMessage,
    Subscribe,
    Unsubscribe,
)
from feed.ticks import Trade

Fakes = Callable[..., Any]


def trade(seq: int, symbol: str = "A") -> Trade:
    return Trade(symbol, seq, 1, 1.0, 1, 2)


def test_subscribing_from_within_the_loop_keeps_the_ticks_that_come_meanwhile(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            transport.tell([trade(1), trade(2)])
            got = []
            async for tick in ticks:
                got.append(tick)
                if len(got) == 1:
                    transport.tell(trade(3))
                    ack = await ticks.subscribe("B", channels="quotes", delivery="all")
                    assert ack.subscriptions == {"quotes": ["B"]}
                elif len(got) == 3:
                    break
            assert got == [trade(1), trade(2), trade(3)]
            ack = await ticks.unsubscribe(["B"])
            assert ack.subscriptions == {}
            assert [type(own) for own in transport.commands] == [Subscribe, Unsubscribe]

    run(main())


def test_one_task_iterates_while_another_subscribes(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            waiting = asyncio.create_task(ticks.__anext__())
            for _ in range(3):  # until it is the one that reads
                await asyncio.sleep(0)
            ack = await asyncio.wait_for(ticks.subscribe(["B", "NOPE"]), 1)
            assert ack.rejected[0].symbol == "NOPE"
            transport.tell(trade(1))
            assert await waiting == trade(1)
            assert ticks._conversation._answers == {}

    run(main())


def test_a_command_in_flight_when_the_connection_is_lost_is_answered_by_the_next(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    first, second = fake_transport(), fake_transport()

    async def main() -> None:
        async with lines(first, second).connect() as ticks:
            first.tell(Disconnected(1006, ""))
            ack = await ticks.subscribe("A")
            assert ack.subscriptions == {"quotes": ["A"], "trades": ["A"]}
            assert len(second.commands) == 1

    run(main())


def test_a_command_the_server_refuses_or_does_not_answer_is_an_error(
    fake_transport: Fakes, lines: Fakes, run: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = fake_transport()
    answers: list[object] = [ErrorMessage("limit_exceeded", "too many", id=1)]
    monkeypatch.setattr(subscribing, "ANSWER_TIMEOUT_S", 0.01)
    monkeypatch.setattr(transport, "send", lambda message: [transport.tell(a) for a in answers])

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            with pytest.raises(MessageError, match="too many") as caught:
                await ticks.subscribe("A")
            assert caught.value.code == "limit_exceeded"
            answers.clear()
            with pytest.raises(ConnectionFailed, match="did not answer within"):
                await ticks.subscribe("A")

    run(main())
