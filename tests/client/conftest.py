"""A transport without a socket that answers commands as a feed does."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Iterator
from itertools import repeat
from typing import Any

import pytest

from feed.client import live as live_module
from feed.client.aio import Connection
from feed.client.live import Live
from feed.client.transport import Disconnected
from feed.protocol.codec import encode, read_command
from feed.protocol.messages import (
    BadTick,
    Command,
    Publish,
    Published,
    Rejection,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)
from feed.ticks import Tick


class FakeTransport:
    """Welcomes, acks every command but rejects the symbol NOPE, and says what `tell` is given.

    A `mute` one gives no answer to a publish.
    """

    def __init__(self, epoch: str = "e1") -> None:
        self.commands: list[Command] = []
        self.patience_s: list[float | None] = []
        self.closed = False
        self.mute = False
        self._subscriptions: dict[str, list[str]] = {}
        self._inbox: asyncio.Queue[object] = asyncio.Queue()
        self.tell(Welcome(1, "s", epoch, 5, "none"))

    def tell(self, message: object) -> None:
        self._inbox.put_nowait(message if isinstance(message, Exception) else encode(message))

    async def receive(self, timeout_s: float | None) -> list[str | bytes]:
        self.patience_s.append(timeout_s)
        message = await self._inbox.get()
        if isinstance(message, Exception):
            raise message
        assert isinstance(message, bytes)
        return [message]

    def send(self, message: bytes) -> None:
        command = read_command(message)
        self.commands.append(command)
        if isinstance(command, Publish):
            if not self.mute:
                self.tell(answer(command))
            return
        rejected = []
        if isinstance(command, Subscribe):
            unknown = [symbol for symbol in command.symbols if symbol == "NOPE"]
            rejected = [Rejection(symbol, "unknown_symbol", "no") for symbol in unknown]
            for channel in command.channels:
                held = self._subscriptions.setdefault(channel, [])
                held += [s for s in command.symbols if s not in held and s != "NOPE"]
        elif isinstance(command, Unsubscribe):
            for held in self._subscriptions.values():
                held[:] = [s for s in held if s not in command.symbols]
        kept = {channel: list(held) for channel, held in self._subscriptions.items() if held}
        self.tell(Subscribed(kept, id=getattr(command, "id", None), rejected=rejected))

    def abort(self) -> None:
        self.closed = True

    async def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed = True
        self.tell(Disconnected(code, reason))


def answer(command: Publish) -> Published:
    """Take every tick but those of NOPE."""
    bad = [place for place, own in enumerate(command.ticks) if own.symbol == "NOPE"]
    seqs = [None if place in bad else place + 1 for place in range(len(command.ticks))]
    rejected = [BadTick(place, "NOPE", "not_entitled", "no") for place in bad]
    return Published(len(seqs) - len(bad), seqs, rejected, id=command.id)


class Lines:
    """Dials one fake after the other; an exception among them is raised by that dial."""

    def __init__(self, *made: FakeTransport | Exception) -> None:
        self._made = list(made)
        self.dialled = 0

    async def __call__(self) -> FakeTransport:
        self.dialled += 1
        made = self._made.pop(0)
        if isinstance(made, Exception):
            raise made
        return made

    def connect(self, **options: object) -> Connection:
        options.setdefault("backoff", no_backoff)
        return Connection("ws://feed", self, **options)  # type: ignore[arg-type]


def no_backoff() -> Iterator[float]:
    return repeat(0.0)


@pytest.fixture
def fake_transport() -> type[FakeTransport]:
    return FakeTransport


@pytest.fixture
def lines() -> Callable[..., Lines]:
    return Lines


@pytest.fixture
def run() -> Callable[[Awaitable[None]], None]:
    """Run a coroutine in a loop that complains about whatever is left behind."""

    def run(main: Awaitable[None]) -> None:
        async def checked() -> None:
            await main
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(checked(), debug=True)

    return run


class LiveFeed:
    """A Live and the transport it reads."""

    def __init__(self, live: Live, transport: Any) -> None:
        self.live = live
        self.transport = transport
        self._given = 0

    def tell(self, message: object) -> None:
        self.live._worker.post(lambda: self.transport.tell(message))

    def give(self, *ticks: Tick) -> None:
        """Send ticks, and wait until they are held."""
        self._given += len(ticks)
        self.tell(list(ticks))
        while self.live._held.count < self._given:
            self.live.wait(seconds=0.01)


@pytest.fixture
def running(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., LiveFeed]]:
    lives: weakref.WeakSet[Live] = weakref.WeakSet()

    def start(symbols: list[str] | None = None, **options: Any) -> LiveFeed:
        transport = FakeTransport()

        def connect(url: str, symbols: list[str], **_: Any) -> Any:
            return Lines(transport).connect(symbols=symbols)

        monkeypatch.setattr(live_module, "connect", connect)
        live = Live("ws://feed", symbols or ["A"], **options)
        lives.add(live)
        return LiveFeed(live, transport)

    yield start
    for live in lives:
        live.close()
