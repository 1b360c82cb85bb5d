"""The asyncio client: typed ticks as an async iterator that outlives its connections.

It runs in whatever event loop awaits it (a script's, a notebook's) and makes no task of its own:
whoever waits for ticks or for an ack moves the connection on. So cancelling is clean, and a
program that stops reading stops the socket too, and with it the server's sending.
"""

from __future__ import annotations

import ssl
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from weakref import WeakSet

from feed.client.backoff import delays
from feed.client.commands import Terms
from feed.client.conversation import Conversation
from feed.client.events import Event, EventStream
from feed.client.handshake import read_url
from feed.client.line import Line, Token
from feed.client.publishing import Publishable, Publishing
from feed.client.reading import Batches, Reading
from feed.client.standing import Standing
from feed.client.subscribing import Subscribing
from feed.client.transport import Transport, dial
from feed.clock import Clock, SystemClock
from feed.errors import ConnectionFailed, SettingError
from feed.protocol.messages import (
    Authenticate,
    Delivery,
    Published,
    Subscribed,
)
from feed.protocol.newticks import NewTick
from feed.ticks import Bar, Quote, Status, Tick, Trade

if TYPE_CHECKING:
    import pandas as pd

Strings = Iterable[str] | str
"""Several names, or a single one."""

_Event = TypeVar("_Event", bound=Event)


def connect(
    url: str,
    symbols: Strings = (),
    *,
    channels: Strings = ("quotes", "trades"),
    delivery: Delivery = "adaptive",
    interval_ms: int = 250,
    snapshot: bool = True,
    token: Token = None,
    reconnect: bool = True,
    resume: bool = True,
    wait_for_server: bool = False,
    on_event: Callable[[Event], None] | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Connection:
    """Stream ticks: `async with feed.connect(url, ["AAPL"]) as ticks: async for tick in ticks: …`.

    Args:
        url: such as ws://127.0.0.1:8080 or wss://host/v1/stream.
        symbols: names, prefixes such as `BTC*`, or `*`; `subscribe` adds more at any time.
        channels: of quotes, trades, bars and status.
        delivery: `adaptive`, `all` or `latest`.
        interval_ms: how often `latest` gives the newest state.
        snapshot: ask for the latest state of each symbol first (`Connection.snapshots`).
        token: API key or JWT, sent after the welcome where the server takes one; never in the
            URL. A function is called for each connection, as a token may have expired by then.
        reconnect: come back after a lost connection and subscribe to everything anew.
        resume: then ask for the ticks missed; without it they are lost, and told as gaps.
        wait_for_server: keep trying, too, when the first connection fails.
        on_event: called with each event (feed.client.events) as it is read, which may be up to one
            batch before the ticks around it; what it raises ends the reading.
        ssl_context: in place of the system's certificates, for wss://.

    Raises:
        SettingError: the URL is not one of a WebSocket.
    """
    address = read_url(url)
    terms = Terms(delivery, interval_ms, snapshot)
    return Connection(
        address.shown,
        lambda: dial(address, tls=ssl_context),
        defaults=(_list(channels, "channels"), terms),
        symbols=_list(symbols, "symbols"),
        token=token,
        reconnect=reconnect,
        resume=resume,
        wait_for_server=wait_for_server,
        on_event=on_event,
    )


class Connection(Standing):
    """A stream of ticks: an async context manager and, once entered, an async iterator.

    One task iterates; others may subscribe, unsubscribe and read events meanwhile.
    """

    def __init__(
        self,
        name: str,
        dial: Callable[[], Awaitable[Transport]],
        *,
        defaults: tuple[list[str], Terms] = (["quotes", "trades"], Terms()),
        symbols: list[str] | None = None,
        token: Token = None,
        reconnect: bool = True,
        resume: bool = True,
        wait_for_server: bool = False,
        on_event: Callable[[Event], None] | None = None,
        clock: Clock = SystemClock(),  # noqa: B008 - it has no state
        backoff: Callable[[], Iterator[float]] = delays,
    ) -> None:
        self._name = name
        self._channels, self._terms = defaults
        self._first = symbols or []
        self._patient = wait_for_server
        self._listeners: list[Callable[[Event], None]] = [on_event] if on_event else []
        self._streams: WeakSet[EventStream] = WeakSet()  # what nobody can read fills no memory
        self._awaited: set[EventStream] = set()
        conversation = Conversation(clock=clock, tell=self._tell, resume=resume)
        line = Line(
            name,
            conversation,
            dial,
            token=token,
            reconnect=reconnect,
            clock=clock,
            tell=self._tell,
            backoff=backoff,
        )
        super().__init__(line, conversation)
        self._reading = reading = Reading(line)
        self._subscribing = Subscribing(name, line, conversation, reading.move_on)
        self._publishing = Publishing(name, line, conversation, reading.come_back, reading.move_on)

    # Connecting

    async def __aenter__(self) -> Self:
        """Connect and subscribe; `rejected` says what of it the server would not take.

        Raises:
            ConnectionFailed: it cannot connect, or is told to stay away.
            MessageError: the server does not take the subscription at all.
        """
        try:
            await self._line.open(patient=self._patient)
            if self._first:
                await self.subscribe(self._first)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def drop(self) -> None:
        """Drop the connection as a broken network would; it comes back, as after any loss."""
        self._line.drop()

    async def close(self) -> None:
        """Close the connection; iterations end after what has been read."""
        for stream in self._streams:
            stream.end()
        await self._line.close()
        await self._reading.close()

    # Ticks

    def __aiter__(self) -> AsyncIterator[Tick]:
        """Iterate over ticks, going on where an earlier iteration stopped."""
        return self._reading.ticks()

    async def __anext__(self) -> Tick:
        return await anext(aiter(self))

    def batches(self) -> Batches:
        """Iterate over lists of ticks, as they were read: the fastest way."""
        return self._reading.batches()

    # Subscriptions

    async def subscribe(
        self,
        symbols: Strings,
        *,
        channels: Strings | None = None,
        delivery: Delivery | None = None,
        interval_ms: int | None = None,
        snapshot: bool | None = None,
    ) -> Subscribed:
        """Ask for more, or for other terms; what is not given is as in `connect`.

        Returns:
            The server's ack: the whole set, and what it `rejected` of this command.

        Raises:
            MessageError: the server refused the command.
            ConnectionFailed: no answer within 10 s (the command stands all the same).
        """
        terms = Terms(
            delivery or self._terms.delivery,
            interval_ms or self._terms.interval_ms,
            self._terms.snapshot if snapshot is None else snapshot,
        )
        names = self._channels if channels is None else _list(channels, "channels")
        changes = self._conversation.subscribe(_list(symbols, "symbols"), names, terms)
        return await self._subscribing.settle(changes)

    async def unsubscribe(self, symbols: Strings, *, channels: Strings | None = None) -> Subscribed:
        """Ask for less, on all channels unless some are named; answers as `subscribe` does."""
        names = None if channels is None else _list(channels, "channels")
        changes = self._conversation.unsubscribe(_list(symbols, "symbols"), names)
        return await self._subscribing.settle(changes)

    def authenticate(self, token: str) -> None:
        """Show a fresh token of the same principal, before the one in force expires."""
        self._line.send(Authenticate(token))

    # Publishing

    async def publish(
        self, ticks: Publishable | Iterable[Publishable], *, echo: bool = False
    ) -> Published:
        """Publish ticks, and wait until the feed has handed them on.

        Nothing of it is sent twice: when the connection is lost meanwhile, that is an error.

        Args:
            ticks: one or many; each a tick (its seq and ts_out do not matter), or a mapping of
                the fields it has on the wire. Without `ts_event`, or with 0, it happens now.
            echo: get them back, too, where this connection subscribes to them.

        Returns:
            How many were `accepted`, the `seqs` of all in order (None where rejected), and the
            `rejected` ones by index, with the reason.

        Raises:
            MessageError: the server takes no ticks from this client.
            ConnectionFailed: the connection was lost; the message says what is known.
        """
        one = isinstance(ticks, Mapping | Quote | Trade | Bar | Status | NewTick)
        several = cast("Iterable[Publishable]", [ticks] if one else ticks)
        return await self._publishing.publish(several, echo=echo)

    async def publish_frame(
        self, frame: pd.DataFrame, *, symbol: str | None = None, echo: bool = False
    ) -> Published:
        """Publish the rows of a DataFrame, whose columns are recognised as those of a tape.

        Args:
            symbol: of frames that have no symbol column.

        Raises:
            TapeError: a column is missing, or a row is no tick; nothing was published then.
        """
        from feed.tape.dataframe import ticks_of

        return await self.publish(ticks_of(frame, symbol=symbol), echo=echo)

    # Events

    def events(self) -> EventStream:
        """Iterate over the events from now on; they come as ticks are read."""
        stream = EventStream(self._awaited)
        self._streams.add(stream)
        if self._line.ended:
            stream.end()
        return stream

    async def wait_for(self, kind: type[_Event]) -> _Event:
        """Wait for the next event of a kind while another task reads ticks.

        Raises:
            ConnectionFailed: the connection was closed before one came.
        """
        async for event in self.events():
            if isinstance(event, kind):
                return event
        raise ConnectionFailed(f"{self._name} was closed before any {kind.__name__} came")

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
        for stream in self._streams:
            stream.put(event)


def _list(names: Strings, what: str) -> list[str]:
    several: Any = [names] if isinstance(names, str) else names
    if isinstance(several, Iterable) and all(isinstance(name, str) for name in several):
        return list(several)
    raise SettingError(what, f"must be a name or several, was {names!r}")
