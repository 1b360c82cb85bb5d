"""The connection as the rest of the client sees it: one line, replaced by a new one when lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Final

from feed.client.backoff import delays
from feed.client.conversation import Conversation
from feed.client.events import Disconnect, Event, Reconnected, Stale
from feed.client.handshake import HandshakeRefused
from feed.client.transport import Disconnected, Transport
from feed.clock import Clock
from feed.codes import STAY_AWAY, CloseCode
from feed.errors import ConnectionFailed, MessageError
from feed.protocol.codec import encode
from feed.protocol.messages import Command
from feed.ticks import Tick

Token = str | Callable[[], str] | None
"""A key or token, or what makes a fresh one for each connection."""

BURST: Final = 15
PACE_S: Final = 0.05
WELCOME_TIMEOUT_S: Final = 10.0
STALE_HEARTBEATS: Final = 3
"""Silence of this many heartbeat intervals means that the connection is dead."""

STEADY_S: Final = 30.0
"""A connection that stood this long was a success: the next backoff begins anew."""

_COME_BACK_STATUS: Final = frozenset({408, 425, 429})


class Line:
    """Receive ticks over one connection after the other.

    Attributes:
        connected: whether there is a connection now.
        ended: no tick will come any more, as it was closed, by us or (without reconnect) by 1000.
    """

    def __init__(
        self,
        name: str,
        conversation: Conversation,
        dial: Callable[[], Awaitable[Transport]],
        *,
        token: Token,
        reconnect: bool,
        clock: Clock,
        tell: Callable[[Event], None],
        backoff: Callable[[], Iterator[float]] = delays,
    ) -> None:
        self.ended = False
        self._name = name
        self._conversation = conversation
        self._dial = dial
        self._token = token
        self._reconnect = reconnect
        self._clock = clock
        self._tell = tell
        self._backoff = backoff
        self._delays = backoff()
        self._opened_s = 0.0
        self._transport: Transport | None = None
        self._early: list[Tick] = []
        self._failure: ConnectionFailed | None = None
        self._closed = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._transport is not None

    async def open(self, *, patient: bool) -> None:
        """Make the first connection; a patient one keeps trying while the server is not there.

        Raises:
            ConnectionFailed: it cannot be made.
        """
        if patient:
            await self._try_until_open()
        else:
            await self._open()

    def drop(self) -> None:
        """Drop the connection at once; the next read finds it lost, and comes back soon."""
        if self._transport is not None:
            self._transport.abort()
            self._delays = self._backoff()

    def send(self, command: Command) -> None:
        """Send a command; without a connection the next one repeats it on opening."""
        if self._transport is not None:
            self._transport.send(encode(command))

    async def receive(self) -> list[Tick]:
        """Wait for messages and give their ticks, perhaps none; being cancelled loses none.

        Raises:
            ConnectionFailed: the connection is lost and another would not help or is not wanted.
        """
        await self.come_back()
        return [] if self.ended else await self._receive()

    async def come_back(self) -> None:
        """Make another connection, if there is none.

        Raises:
            ConnectionFailed: another would not help or is not wanted.
        """
        if self._failure is not None:
            raise self._failure
        if self._transport is None:
            attempts = await self._try_until_open()
            if self.ended:
                return
            self._conversation.stats.reconnects += 1
            self._tell(Reconnected(attempts, self._conversation.same_epoch))

    async def close(self) -> None:
        """End for good, whoever may be waiting."""
        self.ended = True
        self._closed.set()
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def _receive(self) -> list[Tick]:
        assert self._transport is not None
        early, self._early = self._early, []
        if early:
            return early
        try:
            return self._conversation.take(await self._transport.receive(self._patience_s()))
        except Disconnected as end:
            self._lost(end)
        except TimeoutError:
            self._transport.abort()
            self._conversation.stats.stale += 1
            self._tell(Stale(self._patience_s()))
            self._lost(Disconnected(CloseCode.NO_HEARTBEAT, "no heartbeat"))
        except MessageError as error:
            self._transport.abort()
            self._transport = None
            raise self._failed(str(error)) from None
        return []

    def _patience_s(self) -> float:
        welcome = self._conversation.welcome
        assert welcome is not None
        return STALE_HEARTBEATS * welcome.heartbeat_interval_s

    def _lost(self, end: Disconnected) -> None:
        self._transport = None
        if self.ended:
            return
        self._conversation.lost()
        if end.code in STAY_AWAY or not (self._reconnect or end.code == CloseCode.NORMAL):
            raise self._failed(_farewell(end), end.code) from None
        if not self._reconnect:
            self.ended = True
        self._tell(Disconnect(end.code, end.reason))

    async def _try_until_open(self) -> int:
        """Open a connection, waiting before each attempt; gives their number."""
        if self._clock.monotonic_s() - self._opened_s >= STEADY_S:
            self._delays = self._backoff()
        attempts = 0
        while not self.ended and self._transport is None:
            await self._pause(next(self._delays))
            if not self.ended:
                attempts += 1
                with suppress(ConnectionFailed):
                    await self._open()
                if self._failure is not None:
                    raise self._failure
        return attempts

    async def _pause(self, delay_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._closed.wait()

    async def _open(self) -> None:
        try:
            transport = await self._dial()
            try:
                await self._greet(transport)
            except BaseException:
                transport.abort()
                raise
        except HandshakeRefused as error:
            if 400 <= error.status < 500 and error.status not in _COME_BACK_STATUS:
                self._failure = error
            raise
        self._opened_s = self._clock.monotonic_s()
        if self.ended:
            transport.abort()
        else:
            self._transport = transport

    async def _greet(self, transport: Transport) -> None:
        """Wait for the welcome, then ask for all that is wanted."""
        conversation = self._conversation
        conversation.lost()
        try:
            async with asyncio.timeout(WELCOME_TIMEOUT_S):
                while conversation.welcome is None:
                    self._early += conversation.take(await transport.receive(None))
        except Disconnected as end:
            raise self._refused(end) from None
        except TimeoutError:
            text = f"cannot connect to {self._name}: no welcome within {WELCOME_TIMEOUT_S:g} s"
            raise ConnectionFailed(text) from None
        except MessageError as error:
            raise self._failed(f"is not a feed: {error}") from None
        token = self._token() if callable(self._token) else self._token
        for number, command in enumerate(conversation.open(token)):
            if number >= BURST:  # a feed takes 20 commands at once
                await asyncio.sleep(PACE_S)
            transport.send(encode(command))

    def _refused(self, end: Disconnected) -> ConnectionFailed:
        if end.code in STAY_AWAY:
            return self._failed(_farewell(end), end.code)
        return ConnectionFailed(f"{self._name} {_farewell(end)}", close_code=end.code)

    def _failed(self, text: str, code: int | None = None) -> ConnectionFailed:
        self._failure = ConnectionFailed(f"{self._name} {text}", close_code=code)
        return self._failure


def _farewell(end: Disconnected) -> str:
    """Say with which code a connection was closed, what that means, and the reason given."""
    try:
        meaning = f" {CloseCode(end.code).name.lower().replace('_', ' ')}"
    except ValueError:
        meaning = ""
    reason = "".join(filter(str.isprintable, end.reason))
    return f"closed the connection: {end.code}{meaning}" + (f": {reason}" if reason else "")
