"""Publish blocks of ticks when they are due on the tape's clock, times a speed.

A tick is due at `started_s + (ts_event - first_ns) / speed`. Every wake-up publishes whatever is
due by then, so a late one is made good by the next and nothing drifts, however long the tape.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from feed.alarm import FOREVER_S, Alarm, PlayDue
from feed.clock import Clock
from feed.sources.base import BURST_TICKS, Publish
from feed.sources.controls import Controls
from feed.tape.block import TickBlock
from feed.tape.slices import Slices, instants

NS_PER_S = 1_000_000_000

MIN_WAIT_S = 0.001
"""The event loop's timers are no finer, and a wake-up costs more than a millisecond is worth."""

Repeat = Callable[[PlayDue], Awaitable[None]]
"""Calls a player again and again, as `Alarm.repeat` does."""


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

    `clock` and `repeat` are where tests bring their own time.

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
        repeat: Repeat | None = None,
    ) -> None:
        self._publish = publish
        self._controls = controls or Controls(speed, seekable=False)
        self._speed = self._controls.speed
        self._ns_per_s = _ns_per_s(self._speed)
        self._clock = clock
        self._repeat = repeat or Alarm().repeat
        self._held = False
        self._anchor: tuple[float, int] | None = None
        self._ts_event: int | None = None
        self._ticks = 0
        self._lag_s = 0.0
        self._strained = False
        self._slices: Slices
        self._times: memoryview[int]  # of the block; one of them is looked at in every call
        self._row = 0

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

    def begin(self, tape_ns: int) -> None:
        """Let it be that time on the tape now, so that the first tick is due at its own."""
        self._anchor = self._clock.monotonic_s(), tape_ns

    async def play(self, block: TickBlock) -> None:
        """Publish the whole block, each tick at its time or as soon after it as the loop allows.

        Rows that are overdue go out at once and in order, in bursts of at most BURST_TICKS with a
        turn of the event loop after each. Blocks must follow each other in time. The rest of the
        block is left when a seek is wanted.
        """
        self._slices, self._times, self._row = Slices(block), instants(block.times), 0
        await self._repeat(self._play_due)

    def _play_due(self) -> float | None:
        """Publish what is due.

        It is called hundreds of times a second for a few ticks each, so it makes few calls itself.
        """
        controls, times, row = self._controls, self._times, self._row
        if row == len(times) or controls.target_ns is not None:
            return None
        if controls.paused is not self._held or controls.speed != self._speed:
            self._follow()
        if self._held or not self._speed:
            return self._play_unpaced()
        now_s = self._clock.monotonic_s()
        if self._anchor is None:
            self._anchor = now_s, times[row]
        started_s, first_ns = self._anchor
        tape_ns = first_ns + int((now_s - started_s) * self._ns_per_s)
        due = bisect_right(times, tape_ns, row)
        if due > row:
            self._lag_s = (tape_ns - times[row]) / self._ns_per_s
            row = self._publish_until(due)
            if row < due or row == len(times):
                return 0.0
        # A rest follows, though by now something may be due: that would be one send a tick.
        wait_s = (times[row] - tape_ns) / self._ns_per_s
        return MIN_WAIT_S if wait_s <= MIN_WAIT_S else self._rest_of(wait_s, now_s)

    def _play_unpaced(self) -> float:
        """Publish the steps that are wanted of a source that is held; of any other, all.

        While somebody is behind there is a rest between bursts, in which a client that reads can
        catch up; one that does not holds nobody up.
        """
        row, end = self._row, len(self._times)
        due = min(row + self._controls.steps, end) if self._held else end
        if due == row:
            return FOREVER_S
        self._lag_s = 0.0
        stop = self._publish_until(due)
        if self._held:
            self._controls.stepped(stop - row)
            self._anchor = self._clock.monotonic_s(), self._times[stop - 1]
            return 0.0 if stop < due or stop == end else FOREVER_S
        return MIN_WAIT_S if self._strained else 0.0

    def _publish_until(self, due: int) -> int:
        """Publish a burst of what is due, and give where the next one begins."""
        row, slices = self._row, self._slices
        stop = due if due - row <= BURST_TICKS else row + BURST_TICKS
        self._strained = bool(self._publish(slices.take(stop)))
        self._ts_event = slices.ts_event[stop - 1]
        self._ticks += stop - row
        self._row = stop
        return stop

    def _rest_of(self, wait_s: float, since_s: float) -> float:
        return max(wait_s - (self._clock.monotonic_s() - since_s), MIN_WAIT_S)

    def _follow(self) -> None:
        """Go on from the present tape time, held or at another speed."""
        now_s = self._clock.monotonic_s()
        if self._anchor is not None:
            self._anchor = now_s, self._tape_ns(self._anchor, now_s)
        if not self._speed and not self._held:  # as fast as possible: there was no tape time
            self._anchor = None
        self._held, self._speed = self._controls.paused, self._controls.speed
        self._ns_per_s = _ns_per_s(self._speed)

    def _tape_ns(self, anchor: tuple[float, int], now_s: float) -> int:
        started_s, first_ns = anchor
        passed_s = 0.0 if self._held else now_s - started_s
        return first_ns + int(passed_s * self._ns_per_s)


def _ns_per_s(speed: float) -> float:
    return min(speed * NS_PER_S, 1e200)  # infinity times nothing is no number
