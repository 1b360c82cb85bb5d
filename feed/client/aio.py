"""The asyncio client: typed ticks as an async iterator that outlives its connections.

It runs in whatever event loop awaits it (a script's, a notebook's) and makes no task of its own:
whoever waits for ticks or for an ack moves the connection on. So cancelling is clean, and a
program that stops reading stops the socket too, and with it the server's sending.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from types import AsyncGeneratorType, TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar, cast

from feed import codes
from feed.client.backoff import delays
from feed.client.commands import Change, Terms
from feed.client.conversation import Conversation
from feed.client.events import Event, EventStream
from feed.client.handshake import read_url
from feed.client.line import PACE_S, Line, Token
from feed.client.publishing import Publishable, Publishing
from feed.client.stats import Stats
from feed.client.transport import Transport, dial
from feed.clock import Clock, SystemClock
from feed.errors import ConnectionFailed, MessageError
from feed.protocol.messages import (
    Authenticate,
    Delivery,
    ErrorMessage,
    Published,
    Rejection,
    Snapshot,
    SourcePosition,
    Subscribed,
)
from feed.protocol.newticks import NewTick
from feed.ticks import Bar, Quote, Status, Tick, Trade

if TYPE_CHECKING:
    import pandas as pd

ANSWER_TIMEOUT_S: Final = 10.0

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
        defaults=(_list(channels), terms),
        symbols=_list(symbols),
        token=token,
        reconnect=reconnect,
        resume=resume,
        wait_for_server=wait_for_server,
        on_event=on_event,
    )


class Connection:
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
        self._streams: list[EventStream] = []
        self._conversation = Conversation(clock=clock, tell=self._tell, resume=resume)
        self._line = Line(
            name,
            self._conversation,
            dial,
            token=token,
            reconnect=reconnect,
            clock=clock,
            tell=self._tell,
            backoff=backoff,
        )
        self._publishing = Publishing(
            name, self._line, self._conversation, self._come_back, self._move_on
        )
        self._turn = asyncio.Lock()
        self._batches: deque[list[Tick]] = deque()
        self._current: Iterator[Tick] = iter(())
        self._iterator: AsyncGeneratorType[Tick, None] | None = None

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
        if self._iterator is not None and not self._iterator.ag_running:
            await self._iterator.aclose()

    # Ticks

    def __aiter__(self) -> AsyncIterator[Tick]:
        """Iterate over ticks, going on where an earlier iteration stopped."""
        iterator = self._iterator
        if iterator is None or iterator.ag_frame is None:
            iterator = self._iterator = cast("AsyncGeneratorType[Tick, None]", self._ticks())
        return iterator

    async def __anext__(self) -> Tick:
        return await anext(aiter(self))

    async def _ticks(self) -> AsyncGenerator[Tick, None]:
        """Yield tick by tick: a generator is cheapest; `__aiter__` keeps it through a `break`."""
        while True:
            for tick in self._current:
                yield tick
            batch = await self._next_batch()
            if batch is None:
                return
            self._current = iter(batch)

    def batches(self) -> Batches:
        """Iterate over lists of ticks, as they were read: the fastest way."""
        return Batches(self._next_batch)

    async def _next_batch(self) -> list[Tick] | None:
        """Give the ticks read since the last time, or None at the end."""
        if rest := list(self._current):
            return rest
        while not self._batches:
            if self._line.ended:
                return None
            await self._move_on(lambda: bool(self._batches))
        return self._batches.popleft()

    async def _move_on(self, enough: Callable[[], bool]) -> None:
        """Read once more from the connection, unless another task just did and that is enough."""
        async with self._turn:
            if not enough():
                ticks = await self._line.receive()
                if ticks:
                    self._batches.append(ticks)

    async def _come_back(self) -> None:
        if not self._line.connected:
            async with self._turn:
                await self._line.come_back()

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
        names = self._channels if channels is None else _list(channels)
        return await self._settle(self._conversation.subscribe(_list(symbols), names, terms))

    async def unsubscribe(self, symbols: Strings, *, channels: Strings | None = None) -> Subscribed:
        """Ask for less, on all channels unless some are named; answers as `subscribe` does."""
        names = None if channels is None else _list(channels)
        return await self._settle(self._conversation.unsubscribe(_list(symbols), names))

    async def _settle(self, changes: list[Change]) -> Subscribed:
        """Send commands and wait for their answers, reading on meanwhile."""
        for change in changes:
            self._line.send(change)
        rejected: list[Rejection] = []
        ack = Subscribed(self.subscriptions)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                for change in changes:
                    ack = await self._answer(change)
                    rejected += ack.rejected
        except TimeoutError:
            text = f"{self._name} did not answer within {ANSWER_TIMEOUT_S:g} s"
            raise ConnectionFailed(text) from None
        finally:
            self._conversation.forget(changes)
        return Subscribed(ack.subscriptions, id=ack.id, rejected=rejected)

    async def _answer(self, change: Change) -> Subscribed:
        conversation = self._conversation
        while (answer := conversation.answer(change)) is None:
            if self._line.ended:
                raise ConnectionFailed(f"{self._name} is closed")
            await self._move_on(lambda: conversation.answer(change) is not None)
        if isinstance(answer, ErrorMessage) and answer.code == codes.TOO_MANY_COMMANDS:
            await asyncio.sleep(PACE_S)
            conversation.again(change)
            self._line.send(change)
            return await self._answer(change)
        if isinstance(answer, ErrorMessage):
            raise MessageError(answer.code, answer.message, id=answer.id)
        return answer

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

    @property
    def subscriptions(self) -> dict[str, list[str]]:
        """What the server last said it sends: channel -> names and patterns."""
        return self._conversation.subscriptions

    @property
    def rejected(self) -> list[Rejection]:
        """The symbols that were asked for and are not sent, with the reason."""
        return list(self._conversation.rejections.values())

    # What is known

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._line.connected

    @property
    def epoch(self) -> str:
        """The numbering that seqs belong to."""
        return self._conversation.ledger.epoch

    @property
    def sources(self) -> dict[str, str]:
        """Each source's state, as the last heartbeat had it: live, paused, ended or stalled."""
        return self._conversation.sources

    @property
    def all_ended(self) -> bool:
        """Whether every source has published its last tick, as the last heartbeat had it."""
        states = self.sources.values()
        return bool(states) and all(state == "ended" for state in states)

    @property
    def source_positions(self) -> dict[str, SourcePosition]:
        """How far each source has come, as the last heartbeat had it."""
        return self._conversation.positions

    @property
    def stats(self) -> Stats:
        """Counts and latencies since the connection was made."""
        return self._conversation.stats

    @property
    def gaps(self) -> int:
        """How often ticks were lost; `stats.lost` is how many."""
        return self.stats.gaps

    @property
    def skipped(self) -> int:
        """How many ticks the server said it deliberately did not send."""
        return self.stats.skipped

    @property
    def snapshots(self) -> dict[str, Snapshot]:
        """The latest snapshot of each symbol."""
        return self._conversation.snapshots

    def last(self, symbol: str, channel: str = "quotes") -> Tick | None:
        """Give the newest tick read of a stream, its snapshot's included."""
        return self._conversation.ledger.last(channel, symbol)

    def positions(self) -> dict[str, dict[str, int]]:
        """Give the last seq read of each stream: channel -> symbol -> seq."""
        return self._conversation.ledger.positions()

    def events(self) -> EventStream:
        """Iterate over the events from now on; they come as ticks are read."""
        stream = EventStream()
        self._streams.append(stream)
        if self._line.ended:
            stream.end()
        return stream

    async def wait_for(self, kind: type[_Event]) -> _Event:
        """Wait for the next event of a kind while another task reads ticks.

        Raises:
            ConnectionFailed: the connection was closed before one came.
        """
        stream = self.events()
        try:
            async for event in stream:
                if isinstance(event, kind):
                    return event
        finally:
            self._streams.remove(stream)
        raise ConnectionFailed(f"{self._name} was closed before any {kind.__name__} came")

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
        for stream in self._streams:
            stream.put(event)


class Batches:
    """An async iterator of lists of ticks, in the order they came."""

    __slots__ = ("_next",)

    def __init__(self, next_batch: Callable[[], Awaitable[list[Tick] | None]]) -> None:
        self._next = next_batch

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> list[Tick]:
        batch = await self._next()
        if batch is None:
            raise StopAsyncIteration
        return batch


def _list(names: Strings) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
