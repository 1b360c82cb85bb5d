from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from feed.client import line as line_module
from feed.client.conversation import Conversation
from feed.client.events import Disconnect, Event, Reconnected, Stale
from feed.client.handshake import HandshakeRefused
from feed.client.line import STEADY_S, Line
from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed
from feed.ticks import Trade

Fakes = Callable[..., Any]


class Clock:
    """A clock that is moved by hand."""

    now_s = 0.0

    def now_ns(self) -> int:
        return 0

    def monotonic_s(self) -> float:
        return self.now_s


def make(dial: Any, told: list[Event], clock: Clock | None = None, **options: Any) -> Line:
    clock = clock or Clock()
    conversation = Conversation(clock=clock, tell=told.append)
    options = {"token": None, "reconnect": True, "backoff": lambda: iter([0.0] * 99)} | options
    return Line("ws://feed", conversation, dial, clock=clock, tell=told.append, **options)


def trade(seq: int) -> Trade:
    return Trade("A", seq, 1, 1.0, 1, 2)


def test_silence_of_three_heartbeats_ends_the_connection_and_another_is_made(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    first, second = fake_transport(), fake_transport()
    told: list[Event] = []

    async def main() -> None:
        line = make(lines(first, second), told)
        await line.open(patient=False)
        first.tell(TimeoutError())
        assert await line.receive() == []
        assert first.patience_s[-1] == 15
        assert first.closed
        assert not line.connected
        second.tell(trade(1))
        assert await line.receive() == [trade(1)]
        assert line._conversation.stats.stale == 1
        assert told == [Stale(15), Disconnect(4002, "no heartbeat"), Reconnected(1, True)]
        await line.close()

    run(main())


def test_failed_attempts_are_repeated_and_counted(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    told: list[Event] = []
    first = fake_transport()
    dying = fake_transport()
    dying._inbox.get_nowait()
    dying.tell(Disconnected(4000, "draining"))
    refused = HandshakeRefused("busy", 503)
    dial = lines(first, ConnectionFailed("refused"), refused, dying, fake_transport("e2"))

    async def main() -> None:
        line = make(dial, told)
        await line.open(patient=False)
        first.tell(Disconnected(1006, "connection lost"))
        await line.receive()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(line.receive(), 0.05)
        assert told == [Disconnect(1006, "connection lost"), Reconnected(4, False)]
        assert dying.closed
        await line.close()

    run(main())


def test_a_connection_that_is_dropped_comes_back_with_a_fresh_backoff(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    first, second = fake_transport(), fake_transport()
    told: list[Event] = []
    waits = iter([iter([3600.0]), iter([0.0])])

    async def main() -> None:
        line = make(lines(first, second), told, backoff=lambda: next(waits))
        await line.open(patient=False)
        line.drop()
        assert first.closed
        first.tell(Disconnected(1006, "connection lost"))
        second.tell(trade(1))
        await line.receive()
        line.drop()  # there is nothing to drop
        assert await line.receive() == [trade(1)]
        assert told == [Disconnect(1006, "connection lost"), Reconnected(1, True)]
        await line.close()

    run(main())


@pytest.mark.parametrize("code", [1002, 4500, 4501, 4502, 4503])
def test_a_code_that_says_stay_away_is_final(
    fake_transport: Fakes, lines: Fakes, run: Fakes, code: int
) -> None:
    first = fake_transport()

    async def main() -> None:
        line = make(lines(first), [])
        await line.open(patient=False)
        first.tell(Disconnected(code, "no \x1b more"))
        for _ in range(2):
            with pytest.raises(ConnectionFailed, match=f"closed the connection: {code}") as caught:
                await line.receive()
            assert caught.value.close_code == code
            assert str(caught.value).endswith(": no  more")
        await line.close()

    run(main())


@pytest.mark.parametrize(
    ("status", "final"), [(403, True), (404, True), (429, False), (500, False)]
)
def test_a_refusal_that_blames_the_client_is_final_on_reconnecting(
    fake_transport: Fakes, lines: Fakes, run: Fakes, status: int, final: bool
) -> None:
    first = fake_transport()
    dial = lines(first, HandshakeRefused("refused", status), ConnectionFailed("over"), first)

    async def main() -> None:
        line = make(dial, [], backoff=lambda: iter([0.0, 0.0, 9.0]))
        await line.open(patient=False)
        first.tell(Disconnected(4000, ""))
        await line.receive()
        with pytest.raises(HandshakeRefused if final else TimeoutError):
            await asyncio.wait_for(line.receive(), 0.05)
        assert dial.dialled == (2 if final else 3)
        await line.close()

    run(main())


@pytest.mark.parametrize(
    ("code", "said"), [(1000, None), (4000, "4000 draining: bye"), (1006, "1006: bye")]
)
def test_without_reconnect_1000_ends_and_anything_else_fails(
    fake_transport: Fakes, lines: Fakes, run: Fakes, code: int, said: str | None
) -> None:
    first = fake_transport()

    async def main() -> None:
        line = make(lines(first), [], reconnect=False)
        await line.open(patient=False)
        first.tell(Disconnected(code, "bye"))
        if said is None:
            assert await line.receive() == []
            assert line.ended
        else:
            with pytest.raises(ConnectionFailed, match=f"^ws://feed closed the connection: {said}"):
                await line.receive()
        await line.close()

    run(main())


def test_the_first_failure_is_raised_at_once_unless_the_line_is_patient(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionFailed, match="refused"):
            await make(lines(ConnectionFailed("refused")), []).open(patient=False)
        told: list[Event] = []
        line = make(lines(ConnectionFailed("refused"), fake_transport()), told)
        await line.open(patient=True)
        assert line.connected
        assert told == []
        await line.close()

    run(main())


def test_a_server_that_does_not_greet_is_given_up(
    fake_transport: Fakes, lines: Fakes, run: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "WELCOME_TIMEOUT_S", 0.01)
    mute, echo = fake_transport(), fake_transport()
    mute._inbox.get_nowait()
    echo._inbox.get_nowait()
    echo.tell({"hello": 1})

    async def main() -> None:
        with pytest.raises(ConnectionFailed, match="no welcome within"):
            await make(lines(mute), []).open(patient=False)
        with pytest.raises(ConnectionFailed, match="ws://feed is not a feed: "):
            await make(lines(echo), []).open(patient=True)
        assert mute.closed
        assert echo.closed

    run(main())


def test_nonsense_later_on_is_final(fake_transport: Fakes, lines: Fakes, run: Fakes) -> None:
    first = fake_transport()

    async def main() -> None:
        line = make(lines(first), [])
        await line.open(patient=False)
        first.tell({"type": "quote"})
        with pytest.raises(ConnectionFailed, match="not a message of protocol 1"):
            await line.receive()
        assert first.closed
        await line.close()

    run(main())


def test_backoff_begins_anew_only_after_a_connection_that_stood(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    begun = []

    def backoff() -> Iterator[float]:
        begun.append(1)
        return iter([0.0] * 9)

    transports = [fake_transport() for _ in range(3)]
    clock = Clock()

    async def main() -> None:
        line = make(lines(*transports), [], clock, backoff=backoff)
        await line.open(patient=False)
        for place, stood_s in ((0, 1.0), (1, STEADY_S)):
            clock.now_s += stood_s
            transports[place].tell(Disconnected(4001, ""))
            await line.receive()
            transports[place + 1].tell(trade(1))
            await line.receive()
        assert len(begun) == 2
        await line.close()

    run(main())


def test_closing_ends_a_wait_for_the_next_attempt(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    first = fake_transport()

    async def main() -> None:
        line = make(lines(first), [], backoff=lambda: iter([3600.0]))
        await line.open(patient=False)
        first.tell(Disconnected(4000, ""))
        await line.receive()
        waiting = asyncio.create_task(line.receive())
        await asyncio.sleep(0)
        await line.close()
        assert await waiting == []

    run(main())
