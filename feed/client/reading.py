"""Ticks that were read and not taken yet, and whose turn it is to read more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from types import AsyncGeneratorType
from typing import cast

from feed.client.line import Line
from feed.ticks import Tick


class Reading:
    """The reading half of a connection: whoever waits for something moves it on for all."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._turn = asyncio.Lock()
        self._batches: deque[list[Tick]] = deque()
        self._current: Iterator[Tick] = iter(())
        self._iterator: AsyncGeneratorType[Tick, None] | None = None

    def ticks(self) -> AsyncIterator[Tick]:
        """Iterate over ticks, going on where an earlier iteration stopped."""
        iterator = self._iterator
        if iterator is None or iterator.ag_frame is None:
            iterator = self._iterator = cast("AsyncGeneratorType[Tick, None]", self._ticks())
        return iterator

    async def _ticks(self) -> AsyncGenerator[Tick, None]:
        """Yield tick by tick: a generator is cheapest; `ticks` keeps it through a `break`."""
        while True:
            for tick in self._current:
                yield tick
            batch = await self._next_batch()
            if batch is None:
                return
            self._current = iter(batch)

    def batches(self) -> Batches:
        """Iterate over lists of ticks, as they were read."""
        return Batches(self._next_batch)

    async def _next_batch(self) -> list[Tick] | None:
        """Give the ticks read since the last time, or None at the end."""
        if rest := list(self._current):
            return rest
        while not self._batches:
            if self._line.ended:
                return None
            await self.move_on(lambda: bool(self._batches))
        return self._batches.popleft()

    async def move_on(self, enough: Callable[[], bool]) -> None:
        """Read once more from the connection, unless another task just did and that is enough."""
        async with self._turn:
            if not enough():
                ticks = await self._line.receive()
                if ticks:
                    self._batches.append(ticks)

    async def come_back(self) -> None:
        """Make another connection, if there is none."""
        if not self._line.connected:
            async with self._turn:
                await self._line.come_back()

    async def close(self) -> None:
        """End the iteration after what has been read, unless somebody else is in it."""
        if self._iterator is not None and not self._iterator.ag_running:
            await self._iterator.aclose()


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
