"""Publish blocks of ticks when they are due on the tape's clock, times a speed.

A tick is due at `started_s + (ts_event - first_ns) / speed`. Every wake-up publishes whatever is
due by then, so a late one is made good by the next and nothing drifts, however long the tape.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from feed.clock import Clock
from feed.errors import SettingError
from feed.sources.base import BURST_TICKS, Publish
from feed.tape.block import TickBlock
from feed.ticks import Tick

NS_PER_S = 1_000_000_000

MIN_SLEEP_S = 0.001
"""The event loop's timers are no finer, and a wake-up costs more than a millisecond is worth."""

AHEAD_TICKS = 512
"""How many ticks are built at a time when few are due; it takes less than 0.2 ms."""

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
    """Plays blocks in order at one speed; the first tick played is due at once.

    `clock` and `sleep` are where tests bring their own time.
    """

    def __init__(
        self, publish: Publish, *, speed: float, clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        check_speed(speed)
        self._publish = publish
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._anchor: tuple[float, int] | None = None
        self._ts_event: int | None = None
        self._ticks = 0
        self._lag_s = 0.0

    @property
    def position(self) -> Position:
        """Give the tape time and count of what has been published."""
        return Position(self._ts_event, self._ticks, self._speed, self._lag_s)

    def restart(self) -> None:
        """Let the next tick played be due at once, as on another pass of a loop."""
        self._anchor = None

    async def play(self, block: TickBlock) -> None:
        """Publish the whole block, each tick at its time or as soon after it as the loop allows.

        Rows that are overdue go out at once and in order, in bursts of at most BURST_TICKS with a
        turn of the event loop after each. Blocks must follow each other in time.
        """
        row, ahead = 0, Ahead(block)
        while row < len(block):
            due = self._rows_due(block)
            if due <= row:
                await self._wait_for(block, row)
                continue
            self._lag_s = max(0.0, self._late_s(int(block.times[row])))
            stop = min(due, row + BURST_TICKS)
            self._publish(ahead.take(stop))
            self._ts_event = int(block.ts_event[stop - 1])
            self._ticks += stop - row
            row = stop
            if stop < due or row == len(block):
                await self._sleep(0)
            else:  # not at once, though by now something may be due: that would be one send a tick
                await self._wait_for(block, row)

    async def _wait_for(self, block: TickBlock, row: int) -> None:
        await self._sleep(max(-self._late_s(int(block.times[row])), MIN_SLEEP_S))

    def _rows_due(self, block: TickBlock) -> int:
        if not self._speed:
            return len(block)
        now_s = self._clock.monotonic_s()
        if self._anchor is None:
            self._anchor = now_s, int(block.times[0])
        started_s, first_ns = self._anchor
        due_ns = first_ns + math.floor((now_s - started_s) * self._speed * NS_PER_S)
        if due_ns >= block.times[-1]:  # also keeps what is searched for within 64 bits
            return len(block)
        return int(block.times.searchsorted(due_ns, "right"))

    def _late_s(self, ts_event: int) -> float:
        if self._anchor is None:  # as fast as possible is never late
            return 0.0
        started_s, first_ns = self._anchor
        due_s = started_s + (ts_event - first_ns) / NS_PER_S / self._speed
        return self._clock.monotonic_s() - due_s


class Ahead:
    """Turns a block into ticks some way ahead: row by row that takes fifty times as long."""

    def __init__(self, block: TickBlock) -> None:
        self._block = block
        self._built: list[Tick] = []
        self._first = 0
        self._row = 0

    def take(self, stop: int) -> list[Tick]:
        """Give the ticks from where the last call ended to row `stop`."""
        row, built = self._row, self._first + len(self._built)
        if stop > built:
            until = min(max(stop, built + AHEAD_TICKS), len(self._block))
            self._built = self._built[row - self._first :] + self._block.ticks(built, until)
            self._first = row
        self._row = stop
        return self._built[row - self._first : stop - self._first]


def check_speed(speed: float) -> None:
    """Raise a SettingError for what is no speed."""
    if not (math.isfinite(speed) and speed >= 0):
        raise SettingError(
            "speed", f"must be 0 or more, was {speed:g} (0 means as fast as possible)"
        )
