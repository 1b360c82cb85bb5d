"""The event loop of a feed: hears of a few sockets a turn, and calls alarms while it waits.

asyncio serves every socket that is ready in one turn. When a thousand clients shake hands at the
same moment, that turn takes as long as all of them together, and every tick waits for it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from feed.alarm import Alarm, play_due, wait, wait_on

SOCKETS: Final = 32
"""How many are told of in one turn. Most ask for a `recv` only, and queue for the rest in a `Turn`;
a request for Tornado is a third of a millisecond, and the handshake of TLS one or two more. With 8
a crowd is slow to come back: 5.5 clients in a turn, most of which is flushing ticks."""

_T = TypeVar("_T")

Ready = tuple[selectors.SelectorKey, int]


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
        self._wait: Callable[[tuple[Alarm, ...], Loop, float | None], bool]
        self._wait = partial(wait_on, self.fileno()) if wait_on else partial(wait, super().select)

    def select(self, timeout: float | None = None) -> list[Ready]:
        """Tell of sockets that are ready; none that was changed or given up meanwhile."""
        if self._kept:
            play_due(self.alarms)
        else:
            ready = self._look(timeout)
            if len(ready) <= SOCKETS:
                return ready
            self._kept.extend(ready)
        some = [self._kept.popleft() for _ in range(min(SOCKETS, len(self._kept)))]
        known = self.get_map()
        return [own for own in some if known.get(own[0].fd) is own[0]]

    def _look(self, timeout: float | None) -> list[Ready]:
        if self.alarms:
            if not self._wait(self.alarms, self._loop, timeout):
                return []
            timeout = 0
        return super().select(timeout)


class Loop(asyncio.SelectorEventLoop):
    """An event loop with such a selector.

    Attributes:
        readiness: that.
    """

    # See `Players`.
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
