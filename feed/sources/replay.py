"""Replay a tape at its own pace, or a multiple of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing

from feed.alarm import Alarm
from feed.clock import Clock, SystemClock
from feed.errors import FeedError
from feed.sources.base import Publish, SourceState
from feed.sources.controls import Controls
from feed.sources.pace import Pacer, Position, Repeat
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
        controls: what may be done to it while it plays.
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
        repeat: Repeat | None = None,
    ) -> None:
        self.name = name
        self.controls = Controls(speed, seekable=True)
        self.symbols = tape.symbols
        self.total = tape.rows
        self.brings_bars = tape.has_bars
        self._tape = tape
        self._loop = loop
        self._clock = clock or SystemClock()
        self._alarm = Alarm()
        self._repeat = repeat or self._alarm.repeat
        self.controls.on_change(self._heed)
        self._state: SourceState = "live"
        self._pacer: Pacer | None = None

    @property
    def state(self) -> SourceState:
        """Give `live` or `paused` until the tape has been played, then `ended`, or `stalled`."""
        return "paused" if self._state == "live" and self.controls.paused else self._state

    @property
    def position(self) -> Position:
        """Give the tape time and count of what has been published."""
        return self._pacer.position if self._pacer else Position(None, 0, self.controls.speed)

    async def run(self, publish: Publish) -> None:
        """Play the tape to its end, or over and over, or from where its controls say.

        On another pass `ts_event` starts over as it is on the tape. A worker thread reads ahead; it
        has ended when this returns or raises.

        Raises:
            TapeError: when the tape cannot be read on.
        """
        controls = self.controls
        pacer = Pacer(publish, controls=controls, clock=self._clock, repeat=self._repeat)
        self._pacer = pacer
        self._state = "live"
        warned = False
        try:
            while True:
                await self._play(pacer, controls.take_target())
                if controls.target_ns is not None:
                    continue
                if not warned:
                    self._warn_of_skipped()
                    warned = True
                if not self._loop:
                    break
                pacer.restart()
        except FeedError:
            self._state = "stalled"
            raise
        finally:
            if self._state == "live":
                self._state = "ended"
            controls.end()

    def _heed(self) -> None:
        if self._pacer is not None:
            self._pacer.heed()
        self._alarm.ring()

    async def _play(self, pacer: Pacer, target_ns: int | None) -> None:
        """Play one pass, from a time on if one is given; ends early when another is wanted."""
        passed, controls = 0, self.controls
        async with aclosing(read_ahead(self._tape)) as blocks:
            async for block in blocks:
                if controls.target_ns is not None:
                    return
                if target_ns is not None:
                    first, _ = block.cut(target_ns, None)
                    passed += first
                    if first == len(block):
                        continue
                    self._arrive(pacer, passed)
                    block, target_ns = block.slice(first, len(block)), None
                await pacer.play(block)
        if target_ns is not None and controls.target_ns is None:  # it is beyond the end
            self._arrive(pacer, passed)

    def _arrive(self, pacer: Pacer, passed: int) -> None:
        pacer.restart(ticks=passed)
        self.controls.arrive()

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
