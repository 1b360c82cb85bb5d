"""Replay a tape at its own pace, or a multiple of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing

from feed.clock import Clock, SystemClock
from feed.errors import FeedError
from feed.sources.base import Publish, SourceState
from feed.sources.pace import Pacer, Position, Sleep, check_speed
from feed.tape.block import TickBlock
from feed.tape.reader import AnyTape

log = logging.getLogger(__name__)

BLOCKS_AHEAD = 3
"""How many blocks are read before they are played: a few megabytes each."""


class Replay:
    """A source that plays a tape; see `feed.sources.base.Source`.

    Making one reads the tape's symbols, so make it before the event loop has to be quick.

    Attributes:
        name: what heartbeats, logs and metrics call it.
        symbols: every symbol of the tape, or None when that is too costly to know.
        total: rows of one pass, or None when that is not known.
        brings_bars: whether the feed need not make bars of these ticks.

    Raises:
        SettingError: when the speed is not 0 or more.
        TapeError: when the symbols cannot be read.
    """

    def __init__(
        self,
        tape: AnyTape,
        *,
        speed: float = 1.0,
        loop: bool = False,
        name: str = "replay",
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        check_speed(speed)
        self.name = name
        self.symbols = tape.symbols
        self.total = tape.rows
        self.brings_bars = tape.has_bars
        self._tape = tape
        self._speed = speed
        self._loop = loop
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._state: SourceState = "live"
        self._pacer: Pacer | None = None

    @property
    def state(self) -> SourceState:
        """Give `live` until the tape has been played, then `ended`; `stalled` if it broke."""
        return self._state

    @property
    def position(self) -> Position:
        """Give the tape time and count of what has been published."""
        return self._pacer.position if self._pacer else Position(None, 0, self._speed)

    async def run(self, publish: Publish) -> None:
        """Play the tape to its end, or over and over.

        On another pass `ts_event` starts over as it is on the tape. A worker thread reads ahead; it
        has ended when this returns or raises.

        Raises:
            TapeError: when the tape cannot be read on.
        """
        pacer = Pacer(publish, speed=self._speed, clock=self._clock, sleep=self._sleep)
        self._pacer = pacer
        self._state = "live"
        try:
            await self._play(pacer)
            self._warn_of_skipped()
            while self._loop:
                pacer.restart()
                await self._play(pacer)
        except FeedError:
            self._state = "stalled"
            raise
        finally:
            if self._state == "live":
                self._state = "ended"

    async def _play(self, pacer: Pacer) -> None:
        async with aclosing(read_ahead(self._tape)) as blocks:
            async for block in blocks:
                await pacer.play(block)

    def _warn_of_skipped(self) -> None:
        count = self._tape.skipped_rows
        if count:
            reasons = "; ".join(self._tape.skipped_reasons)
            log.warning("%s: left out %d bad rows, the first: %s", self.name, count, reasons)


async def read_ahead(tape: AnyTape) -> AsyncGenerator[TickBlock, None]:
    """Give the tape's blocks, read by one worker thread a few ahead of their use.

    Close it (`contextlib.aclosing`): then the thread has ended.
    """
    blocks = tape.blocks()
    ahead: deque[Future[TickBlock | None]] = deque()
    worker = ThreadPoolExecutor(1, thread_name_prefix="tape")
    try:
        ahead.extend(worker.submit(next, blocks, None) for _ in range(BLOCKS_AHEAD))
        while (block := await asyncio.wrap_future(ahead.popleft())) is not None:
            ahead.append(worker.submit(next, blocks, None))
            yield block
    finally:
        for reading in ahead:
            reading.cancel()
        closed = worker.submit(blocks.close)
        try:
            await asyncio.wrap_future(closed)
        finally:
            worker.shutdown(wait=False)
