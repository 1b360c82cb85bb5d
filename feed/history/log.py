"""One log of a stream, whoever keeps which part of it, and read a page at a time.

A page is gathered in small steps with turns of the event loop in between, and holds references to
ticks that exist anyway; only when it is sent are they encoded, a chunk at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from feed.clock import Clock
from feed.history.archive import Archive
from feed.history.want import Position, Want
from feed.hub.hub import Hub
from feed.hub.journal import Journal
from feed.hub.stream import Stream
from feed.ticks import Tick

NS: Final = 1_000_000_000
STEP_TICKS: Final = 500
"""How many ticks are looked at between two turns of the event loop: a fraction of a millisecond."""


@dataclass(frozen=True, slots=True)
class Page:
    """Ticks of one stream and one epoch, in order.

    Attributes:
        next: where the log goes on; None when there is no more of what is wanted, for now.
    """

    epoch: str
    ticks: list[Tick]
    next: Position | None


class History:
    """Reads the streams of a hub.

    Args:
        epoch: gives the label of the hub's numbering.
        clock: tells how far a delayed principal may look.
        archive: has what the journal has no longer, and earlier epochs.

    Attributes:
        turn: held by who encodes a chunk, so that in each turn of the loop there is one in all.
    """

    def __init__(
        self, hub: Hub, epoch: Callable[[], str], clock: Clock, archive: Archive | None = None
    ) -> None:
        self.turn = asyncio.Lock()
        self._hub = hub
        self._archive = archive
        self._epoch = epoch
        self._clock = clock

    def until_ns(self, delay_s: int) -> int | None:
        """Give the newest `ts_out` that may be seen so much later than others."""
        return self._clock.now_ns() - delay_s * NS if delay_s else None

    async def page(self, want: Want) -> Page:
        """Give the ticks from a position or a time on, or else the newest, oldest first.

        Raises:
            TapeError: what is recorded cannot be read.
        """
        epochs = await self._epochs(want.channel)
        if want.is_newest:
            return await self._newest_page(epochs, want)
        first = want.first or Position(epochs[0], 1)
        if first.epoch in epochs:
            epochs = epochs[epochs.index(first.epoch) :]
        for epoch, later in zip_longest(epochs, epochs[1:]):
            found = await self._some(epoch, first.seq if epoch == first.epoch else 1, want)
            if len(found) > want.limit:
                return Page(epoch, found[:-1], Position(epoch, found[-1].seq))
            if found or later is None:
                return Page(epoch, found, Position(later, 1) if later else None)
        raise AssertionError("there is always the current epoch")

    async def _epochs(self, channel: str) -> list[str]:
        """Give the epochs, the oldest first and the current one last."""
        current = self._epoch()
        recorded = await self._archive.epochs(channel) if self._archive else []
        return [*(own for own in recorded if own != current), current]

    async def _newest_page(self, epochs: list[str], want: Want) -> Page:
        for epoch in reversed(epochs):
            found = await self._newest_of(epoch, want)
            if found:
                return Page(epoch, found, None)
        return Page(epochs[-1], [], None)

    async def _newest_of(self, epoch: str, want: Want) -> list[Tick]:
        stream = self._stream(epoch, want)
        first = 1
        if stream is not None and want.takes_all:
            first = max(first, stream.seq - want.limit + 1)
        elif stream is not None:
            journal = self._hub.journal
            kept = walk(journal, stream, journal.first_seq(stream), stream.seq)
            found = await _last(kept, want)
            if len(found) == want.limit:
                return found
        return await _last(self._ticks(epoch, first, want), want)

    async def _some(self, epoch: str, first_seq: int, want: Want) -> list[Tick]:
        """Give as many ticks as are wanted and one more, if there are so many."""
        found: list[Tick] = []
        async with aclosing(self._ticks(epoch, first_seq, want)) as steps:
            async for ticks in steps:
                found += want.pick(ticks)
                if len(found) > want.limit:
                    break
        return found[: want.limit + 1]

    async def _ticks(self, epoch: str, seq: int, want: Want) -> AsyncGenerator[list[Tick], None]:
        """Give one epoch of a stream from a seq on, to where it ends when asked for it.

        It comes out of the journal as far as that has it, and else out of the recording, however
        often one or the other goes on meanwhile. What neither has any more is left out.
        """
        stream = self._stream(epoch, want)
        end, flushed = stream.seq if stream else 0, False
        while True:
            async for ticks in self._recorded(epoch, seq, want, stream):
                yield ticks
                seq = ticks[-1].seq + 1
            if stream is None or epoch != self._epoch():
                return
            if self._archive and not flushed and not self._is_kept(stream, seq):
                flushed = True  # the journal forgets sooner than the recorder writes
                await self._archive.flush()
                continue
            seq, flushed = max(seq, self._hub.journal.first_seq(stream)), False
            async for ticks in walk(self._hub.journal, stream, seq, end):
                yield ticks
                seq = ticks[-1].seq + 1
                if epoch != self._epoch():  # the stream is numbered anew
                    return
            if seq > end:
                return

    async def _recorded(
        self, epoch: str, seq: int, want: Want, stream: Stream | None
    ) -> AsyncGenerator[list[Tick], None]:
        """Give what is recorded from a seq on, up to where the journal begins."""
        if self._archive is None or self._is_kept(stream, seq):
            return
        recorded = self._archive.ticks(
            want.channel, want.symbol, epoch=epoch, first_seq=seq, from_ns=want.from_ns
        )
        async with aclosing(recorded) as steps:
            async for ticks in steps:
                yield ticks
                if self._is_kept(stream, ticks[-1].seq + 1):
                    return

    def _stream(self, epoch: str, want: Want) -> Stream | None:
        if epoch != self._epoch():
            return None
        return self._hub.index.find(want.channel, want.symbol)

    def _is_kept(self, stream: Stream | None, seq: int) -> bool:
        return stream is not None and self._hub.journal.since(stream, seq, 1) is not None


async def _last(steps: AsyncGenerator[list[Tick], None], want: Want) -> list[Tick]:
    newest: deque[Tick] = deque(maxlen=want.limit)
    async with aclosing(steps):
        async for ticks in steps:
            newest += want.pick(ticks)
    return list(newest)


async def walk(
    journal: Journal, stream: Stream, seq: int, end: int
) -> AsyncGenerator[list[Tick], None]:
    """Give the ticks of a stream from one seq to another, step by step, as far as they are kept."""
    while seq <= end:
        ticks = journal.since(stream, seq, min(STEP_TICKS, end - seq + 1))
        if not ticks:
            return
        yield ticks
        seq = ticks[-1].seq + 1
        await asyncio.sleep(0)
