"""Alarms: whoever plays bursts of ticks is called from inside the loop's wait for sockets.

For each burst a turn of asyncio's costs half of what it costs to send it: a timer, a handle, a
heap, thirty calls. What comes round for every burst is here in Python, to be read, and in
`_alarm.c`, which is used where it could be compiled (FEED_PURE_PYTHON=1 keeps to Python).
"""

from __future__ import annotations

import asyncio
import math
import os
import select
from collections import deque
from collections.abc import Callable, Sized
from contextlib import AbstractContextManager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

PlayDue = Callable[[], float | None]
"""Plays what is due; gives how many seconds to wait before the next call, None after the last."""

FOREVER_S: Final = 3600.0
"""The longest wait at a time."""


class Players(Protocol):
    """The loop that alarms are called by."""

    # asyncio's own, the same ever since there is asyncio: what is called next, the timers, and
    # whether it is to stop.
    _ready: deque[Any]
    _scheduled: list[Any]
    _stopping: bool

    def playing(self, alarm: Alarm) -> AbstractContextManager[None]:
        """Call an alarm whenever it is due."""


class Due:
    """What there is of an alarm between two calls; what an end brings is its subclass's.

    Attributes:
        due_s: when the next call is due, on the clock of `play_due`; infinite for never.
        rung: whether it is to be made at once, whatever the player asks for.
        play_due: the player.
        ended: done when there is to be no call any more.
    """

    due_s: float
    rung: bool
    play_due: PlayDue
    ended: asyncio.Future[None]

    def __init__(self) -> None:
        self.due_s, self.rung = math.inf, False

    def end(self, error: BaseException | None) -> None:
        """Call the player no more: it asked for no other call, or raised this."""


def play_due(alarms: tuple[Due, ...]) -> None:
    """Call the players of those alarms that are due, and take note of the waits they ask for."""
    now_s = monotonic()
    for alarm in alarms:
        if alarm.due_s <= now_s:
            _play(alarm)


def _play(alarm: Due) -> None:
    alarm.rung, alarm.due_s = False, math.inf
    if alarm.ended.done():  # cancelled
        return
    try:
        wait_s = alarm.play_due()
        due_s = None if wait_s is None else monotonic() + wait_s
    except (KeyboardInterrupt, SystemExit):  # as of any callback of asyncio's
        raise
    except BaseException as error:
        alarm.end(error)
        return
    if due_s is None:
        alarm.end(None)
    else:
        alarm.due_s = 0.0 if alarm.rung else due_s


def wait(
    look: Callable[[float], Sized], alarms: tuple[Due, ...], loop: Players, timeout: float | None
) -> bool:
    """Wait, and play what comes due, until the loop has something else to do.

    Args:
        look: waits for sockets, at most so many seconds, and gives those that are ready.
        timeout: when the loop has something to do anyhow, in seconds from now; None for never.

    Returns:
        Whether sockets are ready.
    """
    timers = len(loop._scheduled)
    end_s = math.inf if timeout is None else monotonic() + timeout
    while True:
        next_s = min(end_s, *(alarm.due_s for alarm in alarms))
        ready = look(min(max(next_s - monotonic(), 0.0), FOREVER_S))
        over = monotonic() >= end_s
        play_due(alarms)
        # Whatever a call has brought about is in one of the latter.
        if ready or over or loop._ready or loop._stopping or len(loop._scheduled) > timers:
            return bool(ready)


wait_on: Callable[[int, tuple[Due, ...], Players, float | None], bool] | None = None
"""Does likewise in C, with the descriptor of an epoll."""

# All of it or nothing: on macOS the clock of one would go on while the machine sleeps.
if not TYPE_CHECKING and hasattr(select, "epoll") and not os.environ.get("FEED_PURE_PYTHON"):
    with suppress(ImportError):
        from feed._alarm import Due, play_due, wait_on

IN_C: Final[bool] = wait_on is not None
"""Whether what is used is compiled."""


class Alarm(Due):
    """Calls a player when it wants to be called, or sooner when the alarm is rung."""

    def __init__(self) -> None:
        super().__init__()
        self._error: BaseException | None = None

    async def repeat(self, play_due: PlayDue) -> None:
        """Call a player now, and again after each wait it asks for, until it wants no more.

        Raises:
            TypeError: the event loop that runs calls no alarms, as `feed.loop.Loop` does.
        """
        loop: Any = asyncio.get_running_loop()
        if not hasattr(loop, "playing"):
            raise TypeError(f"sources are played by feed.loop.Loop, not by {type(loop).__name__}")
        self.play_due, self.ended, self._error = play_due, loop.create_future(), None
        self.due_s = 0.0
        with loop.playing(self):
            await self.ended
        if self._error is not None:
            raise self._error

    def ring(self) -> None:
        """Have the next call made at once, if one is waited for; the player itself may ask, too."""
        self.rung, self.due_s = True, 0.0

    def end(self, error: BaseException | None) -> None:
        self._error = error
        if not self.ended.done():  # it may have cancelled itself
            self.ended.set_result(None)
