"""One log of a stream, whoever keeps which part of it, and read a page at a time.

A page is gathered in small steps with turns of the event loop in between, and holds references to
ticks that exist anyway; only when it is sent are they encoded, a chunk at a time.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Final

from feed.clock import Clock
from feed.history.want import Position, Want
from feed.hub.hub import Hub
from feed.hub.journal import Journal
from feed.hub.stream import Stream
from feed.protocol.messages import Snapshot
from feed.ticks import Tick

NS: Final = 1_000_000_000
FIELDS: Final = {"quotes": "quote", "trades": "trade", "bars": "bar", "status": "status"}
"""By channel, where a snapshot has its newest tick."""

STEP_TICKS: Final = 1_000
"""How many ticks are looked at between two turns of the event loop: less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Page:
    """Ticks of one stream and one epoch, in order.

    Attributes:
        next: where the log goes on; None when there is no more of what is wanted, for now.
    """

    epoch: str
    ticks: list[Tick]
    next: Position | None


class Log:
    """Reads the streams of a hub.

    Args:
        epoch: gives the label of the hub's numbering.
        clock: tells how far a delayed principal may look.
    """

    def __init__(self, hub: Hub, epoch: Callable[[], str], clock: Clock) -> None:
        self._hub = hub
        self._epoch = epoch
        self._clock = clock

    def until_ns(self, delay_s: int) -> int | None:
        """Give the newest `ts_out` that may be seen so much later than others."""
        return self._clock.now_ns() - delay_s * NS if delay_s else None

    def snapshot(self, symbol: str, channels: Collection[str], delay_s: int = 0) -> Snapshot:
        """Give the latest state of a symbol, of these channels only, as it was some time ago."""
        found = self._hub.last_values.snapshot(symbol, channels)
        until_ns = self.until_ns(delay_s)
        for channel, field in FIELDS.items():
            if channel not in channels:
                setattr(found, field, None)
            elif until_ns is not None:
                tick = self._newest(channel, symbol, until_ns)
                setattr(found, field, tick)
                found.seqs[channel] = tick.seq if tick else 0
        if until_ns is not None or "trades" not in channels:
            found.session = None
        return found

    def _newest(self, channel: str, symbol: str, until_ns: int) -> Tick | None:
        stream = self._hub.index.find(channel, symbol)
        if stream is None:
            return None
        journal = self._hub.journal
        seqs = range(first_seq(journal, stream), stream.seq + 1)
        after = bisect_right(seqs, until_ns, key=lambda seq: _tick(journal, stream, seq).ts_out)
        return _tick(journal, stream, seqs[after - 1]) if after else None

    async def page(self, want: Want) -> Page:
        """Give the ticks from a position or a time on, or else the newest, oldest first."""
        epoch = self._epoch()
        stream = self._hub.index.find(want.channel, want.symbol)
        if stream is None:
            return Page(epoch, [], None)
        journal = self._hub.journal
        first = first_seq(journal, stream)
        if want.is_newest:
            if want.takes_all:
                first = max(first, stream.seq - want.limit + 1)
            newest: deque[Tick] = deque(maxlen=want.limit)
            async for ticks in walk(journal, stream, first):
                newest += want.pick(ticks)
            return Page(epoch, list(newest), None)
        if want.first is not None and want.first.epoch == epoch:
            first = max(first, want.first.seq)
        found: list[Tick] = []
        async for ticks in walk(journal, stream, first):
            found += want.pick(ticks)
            if len(found) > want.limit:
                break
        after = found[want.limit :]
        return Page(epoch, found[: want.limit], Position(epoch, after[0].seq) if after else None)


async def walk(journal: Journal, stream: Stream, seq: int) -> AsyncIterator[list[Tick]]:
    """Give the ticks of a stream from a seq on, step by step, to where it ends when asked for it.

    What the journal drops in the meantime is left out.
    """
    last = stream.seq
    while seq <= last:
        ticks = journal.since(stream, seq, min(STEP_TICKS, last - seq + 1))
        if ticks is None:
            seq = first_seq(journal, stream)
            continue
        if not ticks:
            return
        yield ticks
        seq = ticks[-1].seq + 1
        await asyncio.sleep(0)


def _tick(journal: Journal, stream: Stream, seq: int) -> Tick:
    """Give a tick that is kept."""
    return (journal.since(stream, seq, 1) or [])[0]


def first_seq(journal: Journal, stream: Stream) -> int:
    """Give the oldest seq that is kept; the next one to come when nothing is."""
    seqs = range(1, stream.seq + 1)
    kept = bisect_left(seqs, True, key=lambda seq: journal.since(stream, seq, 1) is not None)
    return kept + 1
