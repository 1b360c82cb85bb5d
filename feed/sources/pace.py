"""Publish blocks of ticks when they are due on the tape's clock, times a speed.

A tick is due at `started_s + (ts_event - first_ns) / speed`. Every wake-up publishes whatever is
due by then, so a late one is made good by the next and nothing drifts, however long the tape.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from feed.alarm import FOREVER_S, Alarm, PlayDue
from feed.clock import Clock
from feed.sources.base import Publish
from feed.sources.controls import Controls
from feed.sources.schedule import MIN_WAIT_S, Schedule
from feed.tape.block import TickBlock
from feed.tape.slices import Slices, instants

NS_PER_S = 1_000_000_000

LAST_NS = 2**63 - 1
"""No tick has a later time, so this one is as good as any after it."""

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
        controls: what may be changed meanwhile, followed by a call of `heed`; without, it plays on
            at `speed`.
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
        self._controls = controls or Controls(speed, seekable=False)
        self._speed = self._controls.speed
        self._clock = clock
        self._repeat = repeat or Alarm().repeat
        self._held = False
        self._anchor: tuple[float, int] | None = None
        self._ts_event: int | None = None
        self._slices: Slices | None = None
        self._times: memoryview[int]
        self._schedule = Schedule(publish, clock.monotonic_s, self._play_otherwise)

    @property
    def position(self) -> Position:
        """Give the tape time and count of what has been published."""
        schedule, slices, ts_event = self._schedule, self._slices, self._ts_event
        if slices is not None and schedule.row:
            ts_event = slices.ts_event[schedule.row - 1]
        return Position(ts_event, schedule.ticks, self._controls.speed, schedule.lag_s)

    def heed(self) -> None:
        """Look at the controls before the next burst: one of them has changed."""
        self._schedule.must_heed = True

    def restart(self, *, ticks: int | None = None) -> None:
        """Let the next tick played be due at once, as on another pass of a loop.

        Args:
            ticks: how many count as published from here on, after a seek.
        """
        self._anchor = None
        if ticks is not None:
            self._schedule.ticks, self._slices, self._ts_event = ticks, None, None

    def begin(self, tape_ns: int) -> None:
        """Let it be that time on the tape now, so that the first tick is due at its own."""
        self._anchor = self._clock.monotonic_s(), tape_ns

    async def play(self, block: TickBlock) -> None:
        """Publish the whole block, each tick at its time or as soon after it as the loop allows.

        Rows that are overdue go out at once and in order, in bursts of at most BURST_TICKS with a
        turn of the event loop after each. Blocks must follow each other in time. The rest of the
        block is left when a seek is wanted.
        """
        self._ts_event = self.position.ts_event
        self._slices, self._times = Slices(block), instants(block.times)
        self._schedule.open(self._slices)
        self._schedule.must_heed = True
        await self._repeat(self._schedule.play_due)

    def _play_otherwise(self) -> float | None:
        """Do what the controls want, and let rows be due at their times if they want nothing."""
        controls, schedule = self._controls, self._schedule
        if schedule.row == len(self._times) or controls.target_ns is not None:
            return None
        if controls.paused is not self._held or controls.speed != self._speed:
            self._follow()
        if self._held or not self._speed:
            return self._play_unpaced()
        if self._anchor is None:
            self._anchor = self._clock.monotonic_s(), self._times[schedule.row]
        schedule.started_s, schedule.first_ns = self._anchor
        schedule.ns_per_s = _ns_per_s(self._speed)
        schedule.must_heed = False
        return schedule.play_due()

    def _play_unpaced(self) -> float:
        """Publish the steps that are wanted of a source that is held; of any other, all.

        While somebody is behind there is a rest between bursts, in which a client that reads can
        catch up; one that does not holds nobody up.
        """
        schedule, row, end = self._schedule, self._schedule.row, len(self._times)
        due = min(row + self._controls.steps, end) if self._held else end
        if due == row:
            return FOREVER_S
        schedule.lag_s = 0.0
        stop = schedule.publish_until(due)
        if self._held:
            self._controls.stepped(stop - row)
            self._anchor = self._clock.monotonic_s(), self._times[stop - 1]
            return 0.0 if stop < due or stop == end else FOREVER_S
        return MIN_WAIT_S if schedule.strained else 0.0

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
        return min(first_ns + int(passed_s * _ns_per_s(self._speed)), LAST_NS)


def _ns_per_s(speed: float) -> float:
    return min(speed * NS_PER_S, 1e200)  # infinity times nothing is no number
