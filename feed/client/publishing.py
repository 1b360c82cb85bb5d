"""Publish ticks: cut into commands, so many under way at a time, and what became of each tick.

The server answers a command once its ticks have gone out. As no more than `WINDOW` commands wait
for an answer, a publisher is no faster than the feed takes its ticks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

from feed.client.conversation import Conversation
from feed.client.line import Line
from feed.errors import ConnectionFailed, MessageError
from feed.protocol.codec import encode_ticks
from feed.protocol.messages import ErrorMessage, Publish, Published
from feed.protocol.newticks import AnyNewTick
from feed.ticks import Tick

Publishable = Tick | AnyNewTick | Mapping[str, Any]
"""A tick, or the fields that one has on the wire; without `ts_event` it happens now."""

TICKS_PER_COMMAND: Final = 250
COMMAND_BYTES: Final = 60_000
"""Below the server's limit of 64 KiB."""

WINDOW: Final = 8
ANSWER_TIMEOUT_S: Final = 10.0


class Publishing:
    """The publishing half of a connection.

    Args:
        come_back: makes another connection, if there is none.
        move_on: reads from the connection until a condition may have become true.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        conversation: Conversation,
        come_back: Callable[[], Awaitable[None]],
        move_on: Callable[[Callable[[], bool]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._line = line
        self._conversation = conversation
        self._come_back = come_back
        self._move_on = move_on

    async def publish(self, ticks: Iterable[Publishable], *, echo: bool) -> Published:
        """Publish ticks and give what became of them, in the order they were given.

        Raises:
            MessageError: the server does not take ticks from this client at all.
            ConnectionFailed: the connection was lost; the message says what is known.
        """
        total = Published(0, [], [])
        waiting: deque[Publish] = deque()
        try:
            for command in commands(ticks, echo=echo):
                await self._come_back()
                self._conversation.publish(command)
                self._line.send(command)
                waiting.append(command)
                if len(waiting) == WINDOW:
                    await self._settle(waiting, total)
            while waiting:
                await self._settle(waiting, total)
        finally:
            self._conversation.forget_published(waiting)
        return total

    async def _settle(self, waiting: deque[Publish], total: Published) -> None:
        """Wait for the oldest answer and add it to the total."""
        conversation, command = self._conversation, waiting[0]
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._until(lambda: conversation.receipt(command) is not None)
        except TimeoutError:
            raise self._lost(waiting, total, "no answer came") from None
        answer = conversation.receipt(command)
        if isinstance(answer, ErrorMessage):
            raise MessageError(answer.code, answer.message)
        if not isinstance(answer, Published):
            raise self._lost(waiting, total, "the connection was lost")
        for bad in answer.rejected:
            bad.index += len(total.seqs)
        total.accepted += answer.accepted
        total.seqs += answer.seqs
        total.rejected += answer.rejected
        conversation.forget_published([waiting.popleft()])

    async def _until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            if self._line.ended:
                raise ConnectionFailed(f"{self._name} is closed")
            await self._move_on(enough)

    def _lost(self, waiting: Iterable[Publish], total: Published, why: str) -> ConnectionFailed:
        open_ticks = sum(len(command.ticks) for command in waiting)
        return ConnectionFailed(
            f"{self._name}: {why} while publishing: {total.accepted} ticks were taken,"
            f" of the next {open_ticks} it is not known"
        )


def commands(ticks: Iterable[Publishable], *, echo: bool) -> Iterator[Publish]:
    """Cut ticks into commands that the server takes."""
    rest = iter(ticks)
    while part := list(islice(rest, TICKS_PER_COMMAND)):
        size = 0
        held: list[msgspec.Raw] = []
        for line in encode_ticks([_timed(tick) for tick in part]):
            size += len(line) + 1
            if held and size > COMMAND_BYTES:
                yield Publish(held, echo)
                size, held = len(line) + 1, []
            held.append(msgspec.Raw(line))
        yield Publish(held, echo)


def _timed(tick: Publishable) -> Any:
    """Leave the time out of a tick that has none."""
    if isinstance(tick, Mapping) or tick.ts_event:
        return tick
    fields = msgspec.to_builtins(tick)
    fields.pop("ts_event", None)
    return fields
