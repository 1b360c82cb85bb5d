"""Publish blocks of ticks when they are due on the tape's clock, times a speed.

A tick is due at `started_s + (ts_event - first_ns) / speed`. Every wake-up publishes whatever is
due by then, so a late one is made good by the next and nothing drifts, however long the tape.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from feed.clock import Clock
from feed.sources.base import BURST_TICKS, Publish
from feed.sources.controls import FOREVER_S, Controls
from feed.tape.block import TickBlock
from feed.tape.slices import Slices, instants

NS_PER_S = 1_000_000_000

MIN_SLEEP_S = 0.001
"""The event loop's timers are no finer, and a wake-up costs more than a millisecond is worth."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a source has come.

    Attributes:
        ts_event: of the tick published last, in nanoseconds; None before the first.
        ticks: published so far, over all passes of a loop.
        speed: tape seconds per second; 0 is as fast as possible.
        lag_s: how late the newest burst was, for its own pace.
    """

    ts_event: int | None
    ticks: int
    speed: float
    lag_s: float = 0.0


class Pacer:
    """Plays blocks in order; the first tick played is due at once.

    `clock` and `sleep` are where tests bring their own time.

    Args:
        controls: what may be changed meanwhile; without, it plays on at `speed`.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        speed: float = 1.0,
        controls: Controls | None = None,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._publish = publish
        self._controls = controls or Controls(speed, seekable=False)
        self._speed = self._controls.speed
        self._clock = clock
        self._sleep = sleep
        self._held = False
        self._anchor: tuple[float, int] | None = None
        self._ts_event: int | None = None
        self._ticks = 0
        self._lag_s = 0.0

    @property
    def position(self) -> Position:
        """Give the tape time and count of what has been published."""
        return Position(self._ts_event, self._ticks, self._controls.speed, self._lag_s)

    def restart(self, *, ticks: int | None = None) -> None:
        """Let the next tick played be due at once, as on another pass of a loop.

        Args:
            ticks: how many count as published from here on, after a seek.
        """
        self._anchor = None
        if ticks is not None:
            self._ticks, self._ts_event = ticks, None

    async def play(self, block: TickBlock) -> None:
        """Publish the whole block, each tick at its time or as soon after it as the loop allows.

        Rows that are overdue go out at once and in order, in bursts of at most BURST_TICKS with a
        turn of the event loop after each. Blocks must follow each other in time. The rest of the
        block is left when a seek is wanted.
        """
        row, slices, controls = 0, Slices(block), self._controls
        # Looked through at every wake-up.
        times = instants(block.times)
        while row < len(block) and controls.target_ns is None:
            if controls.paused != self._held or controls.speed != self._speed:
                self._follow()
            due = self._rows_due(times, row)
            if due <= row:
                await self._wait_for(times[row])
                continue
            self._lag_s = max(0.0, self._late_s(times[row]))
            stop = min(due, row + BURST_TICKS)
            self._publish(slices.take(stop))
            self._ts_event = slices.ts_event[stop - 1]
            self._ticks += stop - row
            if self._held:
                controls.stepped(stop - row)
                self._anchor = self._clock.monotonic_s(), times[stop - 1]
            row = stop
            if stop < due or row == len(block):
                await self._sleep(0)
            else:  # not at once, though by now something may be due: that would be one send a tick
                await self._wait_for(times[row])

    async def _wait_for(self, due_ns: int) -> None:
        late_s = self._late_s(due_ns)
        await self._sleep(FOREVER_S if self._held else max(-late_s, MIN_SLEEP_S))

    def _follow(self) -> None:
        """Go on from the present tape time, held or at another speed."""
        now_s = self._clock.monotonic_s()
        if self._anchor is not None:
            self._anchor = now_s, self._tape_ns(self._anchor, now_s)
        if not self._speed and not self._held:  # as fast as possible: there was no tape time
            self._anchor = None
        self._held, self._speed = self._controls.paused, self._controls.speed

    def _tape_ns(self, anchor: tuple[float, int], now_s: float) -> int:
        started_s, first_ns = anchor
        passed_s = 0.0 if self._held else now_s - started_s
        return first_ns + math.floor(passed_s * self._speed * NS_PER_S)

    def _rows_due(self, times: memoryview[int], row: int) -> int:
        if self._held:
            return min(row + self._controls.steps, len(times))
        if not self._speed:
            return len(times)
        now_s = self._clock.monotonic_s()
        if self._anchor is None:
            self._anchor = now_s, times[row]
        return bisect_right(times, self._tape_ns(self._anchor, now_s), row)

    def _late_s(self, ts_event: int) -> float:
        if self._anchor is None or self._held or not self._speed:  # is never late
            return 0.0
        started_s, first_ns = self._anchor
        due_s = started_s + (ts_event - first_ns) / NS_PER_S / self._speed
        return self._clock.monotonic_s() - due_s
