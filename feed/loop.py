"""The event loop of a feed: hears of a few sockets a turn, and plays sources while it waits.

asyncio serves every socket that is ready in one turn. When a thousand clients shake hands at the
same moment, that turn takes as long as all of them together, and every tick waits for it.

And for each burst of ticks a turn of asyncio's costs half of what it costs to send them: a timer, a
handle, a heap, thirty calls. So whoever plays bursts is called from inside the wait for sockets.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final, TypeVar

SOCKETS: Final = 32
"""How many are told of in one turn. Most ask for a `recv` only, and queue for the rest in a `Turn`;
a request for Tornado is a third of a millisecond, and the handshake of TLS one or two more. With 8
a crowd is slow to come back: 5.5 clients in a turn, most of which is flushing ticks."""

PlayDue = Callable[[], float | None]
"""Plays what is due; gives how many seconds to wait before the next call, None after the last."""

FOREVER_S: Final = 3600.0
"""The longest wait at a time."""

_T = TypeVar("_T")

Ready = tuple[selectors.SelectorKey, int]


class Alarm:
    """Calls a player when it wants to be called, or sooner when the alarm is rung.

    Attributes:
        due_s: when, on `time.monotonic`.
    """

    def __init__(self) -> None:
        self.due_s = math.inf
        self._rung = False
        self._play_due: PlayDue
        self._ended: asyncio.Future[None]
        self._error: BaseException | None = None

    async def repeat(self, play_due: PlayDue) -> None:
        """Call a player now, and again after each wait it asks for, until it wants no more.

        Raises:
            TypeError: the event loop that runs is no `Loop`.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, Loop):
            raise TypeError(f"sources are played by feed.loop.Loop, not by {type(loop).__name__}")
        self._play_due, self._ended, self._error = play_due, loop.create_future(), None
        self.due_s = 0.0
        with loop.playing(self):
            await self._ended
        if self._error is not None:
            raise self._error

    def ring(self) -> None:
        """Have the next call made at once, if one is waited for; the player itself may ask, too."""
        self._rung, self.due_s = True, 0.0

    def play(self) -> None:
        """Call the player, and take note of when it wants to be called again."""
        self._rung, self.due_s = False, math.inf
        if self._ended.done():  # cancelled
            return
        try:
            wait_s = self._play_due()
        except (KeyboardInterrupt, SystemExit):  # as of any callback of asyncio's
            raise
        except BaseException as error:
            self._error, wait_s = error, None
        if wait_s is None:
            if not self._ended.done():  # it may have cancelled itself
                self._ended.set_result(None)
        else:
            self.due_s = 0.0 if self._rung else monotonic() + wait_s


class Readiness(selectors.DefaultSelector):
    """A selector that keeps what is too much for one turn, and calls alarms while it waits.

    Attributes:
        alarms: those that want to be called.
    """

    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self.alarms: tuple[Alarm, ...] = ()
        self._loop = loop
        self._kept: deque[Ready] = deque()
        self._epoll = _epoll_of(self)

    def close(self) -> None:
        """Give up what it waits with."""
        if self._epoll is not None:
            self._epoll.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[Ready]:
        """Tell of sockets that are ready; none that was changed or given up meanwhile."""
        if self._kept:
            self._play_due(monotonic())
        else:
            ready = self._play(timeout) if self.alarms else super().select(timeout)
            if len(ready) <= SOCKETS:
                return ready
            self._kept.extend(ready)
        some = [self._kept.popleft() for _ in range(min(SOCKETS, len(self._kept)))]
        known = self.get_map()
        return [own for own in some if known.get(own[0].fd) is own[0]]

    def _play(self, timeout: float | None) -> list[Ready]:
        """Wait, and call the alarms that come due, until the loop has something else to do."""
        loop, timers = self._loop, len(self._loop._scheduled)
        poll = self._epoll.poll if self._epoll else self._poll
        end_s = math.inf if timeout is None else monotonic() + timeout
        while True:
            next_s = end_s
            for alarm in self.alarms:
                if alarm.due_s < next_s:
                    next_s = alarm.due_s
            wait_s = next_s - monotonic()
            ready = poll(0.0 if wait_s < 0 else wait_s if wait_s < FOREVER_S else FOREVER_S, 1)
            now_s = monotonic()
            self._play_due(now_s)
            # Whatever a call has brought about is in one of the latter.
            brought = loop._ready or loop._stopping or len(loop._scheduled) > timers
            if ready or now_s >= end_s or brought:
                return super().select(0) if ready else []

    def _poll(self, timeout: float, _most: int) -> list[Ready]:
        return super().select(timeout)

    def _play_due(self, now_s: float) -> None:
        for alarm in self.alarms:
            if alarm.due_s <= now_s:
                alarm.play()


def _epoll_of(selector: selectors.DefaultSelector) -> Any:
    """Give the same sockets once more, only to wait for: `select` takes three times as long.

    None where the system has no epoll, as macOS has none; there not even the type is known.
    """
    return select.epoll.fromfd(os.dup(selector.fileno())) if hasattr(select, "epoll") else None


class Loop(asyncio.SelectorEventLoop):
    """An event loop with such a selector.

    Attributes:
        readiness: that.
    """

    # asyncio's own, the same ever since there is asyncio: what is called next, the timers, and
    # whether it is to stop.
    _ready: deque[Any]
    _scheduled: list[Any]
    _stopping: bool

    def __init__(self) -> None:
        self.readiness = Readiness(self)
        super().__init__(self.readiness)

    @contextmanager
    def playing(self, alarm: Alarm) -> Iterator[None]:
        """Call an alarm whenever it is due."""
        self.readiness.alarms += (alarm,)
        try:
            yield
        finally:
            self.readiness.alarms = tuple(own for own in self.readiness.alarms if own is not alarm)


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a loop of its own, as `asyncio.run` does."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)
