"""What one turn of the event loop does for the sessions' own wishes, in fair order.

When hundreds of clients come back at once, or one client sends thousands of commands, everybody
else would wait until all of that is done. So sessions queue here, each is served step by step,
and a turn serves as many steps as fit its share; ticks and other sockets have the rest.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

SHARE_S: Final = 0.004

Step = Callable[[], bool]
"""Does one thing for a session and tells whether there is more to do."""


class Loop(Protocol):
    """What a turn needs of the event loop."""

    def call_soon(self, callback: Callable[[], None]) -> object: ...


class Turn:
    """The queue of sessions that have something to be done.

    Args:
        loop: runs what is called soon at the beginning of the next turn.
        clock: gives seconds that never step.
    """

    def __init__(self, loop: Loop, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._clock = clock
        self._waiting: deque[Step] = deque()
        self._scheduled = False

    def add(self, step: Step) -> None:
        """Queue a session; it is served until its step says that there is no more."""
        self._waiting.append(step)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        until_s = self._clock() + SHARE_S
        waiting = self._waiting
        try:
            while waiting:
                step = waiting.popleft()
                if step():
                    waiting.append(step)
                if self._clock() > until_s:
                    break
        finally:  # whatever happened, nobody is left waiting
            self._scheduled = bool(waiting)
            if waiting:
                self._loop.call_soon(self._run)
