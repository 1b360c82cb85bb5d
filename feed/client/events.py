"""What a connection tells beside its ticks.

The server's own `Authenticated`, `Snapshot`, `Skipped`, `Resumed`, `Epoch`, `Notice`,
`ErrorMessage`, `Closing` and `Pong` (feed.protocol) are events too, as they arrived.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Literal

import msgspec

from feed.protocol.messages import (
    Authenticated,
    Closing,
    Epoch,
    ErrorMessage,
    Notice,
    Pong,
    Resumed,
    Skipped,
    Snapshot,
)

__all__ = [
    "Authenticated",
    "Closing",
    "Disconnect",
    "Disorder",
    "Epoch",
    "ErrorMessage",
    "Event",
    "EventStream",
    "Gap",
    "Notice",
    "Pong",
    "Reconnected",
    "Resumed",
    "Skipped",
    "Snapshot",
    "Stale",
]

EVENTS_KEPT: Final = 10_000
"""Events that wait for a slow reader; beyond that the oldest are dropped, and counted."""


class Gap(msgspec.Struct, frozen=True):
    """Ticks of one stream that were lost: neither received nor announced as skipped.

    Both ends are included. `told` says that the server owned up to it, because a resume came too
    late for its journal; any other gap is a bug, or a reconnect without resume.
    """

    channel: str
    symbol: str
    first_seq: int
    last_seq: int
    told: bool = False

    @property
    def count(self) -> int:
        """How many ticks were lost."""
        return self.last_seq - self.first_seq + 1


class Disorder(msgspec.Struct, frozen=True):
    """A seq that came a second time (`duplicate`), or after its gap was told (`late`)."""

    channel: str
    symbol: str
    seq: int
    reason: Literal["duplicate", "late"]


class Disconnect(msgspec.Struct, frozen=True):
    """The connection was lost, and another is being tried.

    `code` is the WebSocket close code, or 1006 when there was none.
    """

    code: int
    reason: str


class Stale(msgspec.Struct, frozen=True):
    """Nothing came for three heartbeat intervals: the connection is given up as dead."""

    silent_s: float


class Reconnected(msgspec.Struct, frozen=True):
    """A new connection has taken the subscriptions over, after this many attempts.

    With `same_epoch` false the numbering began anew: what was missed has no numbers.
    """

    attempts: int
    same_epoch: bool


Event = (
    Gap
    | Disorder
    | Disconnect
    | Stale
    | Reconnected
    | Snapshot
    | Skipped
    | Resumed
    | Epoch
    | Notice
    | ErrorMessage
    | Closing
    | Pong
    | Authenticated
)


class EventStream:
    """Events from its creation on, as an async iterator that ends with its connection.

    Args:
        awaited: holds the streams that somebody waits for. A loop refers weakly to its tasks, so
            that a task which nobody keeps would vanish together with the stream it waits for.

    Attributes:
        dropped: events lost because this reader was more than `EVENTS_KEPT` behind.
    """

    def __init__(self, awaited: set[EventStream] | None = None) -> None:
        self.dropped = 0
        self._awaited = set() if awaited is None else awaited
        self._events: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._ended = False

    def put(self, event: Event) -> None:
        """Hand an event over; never blocks."""
        if len(self._events) == EVENTS_KEPT:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self._arrived.set()

    def end(self) -> None:
        """Let the iteration stop after what has come."""
        self._ended = True
        self._arrived.set()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            self._awaited.add(self)
            try:
                await self._arrived.wait()
            finally:
                self._awaited.discard(self)
        return self._events.popleft()
