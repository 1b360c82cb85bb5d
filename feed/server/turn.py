"""What one turn of the event loop does for the sessions' own wishes, in fair order.

When hundreds of clients come back at once, or one client sends thousands of commands, everybody
else would wait until all of that is done. So sessions queue here, each is served step by step,
and a turn serves as many steps as fit its share; ticks and other sockets have the rest. Who has
just come is served before those who have begun, so that one ping does not wait for long lists.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

SHARE_S: Final = 0.004
MOST_S: Final = 0.016
"""A turn that is long anyway gives half its length, at most so much, or commands would starve."""

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
        self._fresh: deque[Step] = deque()
        self._begun: deque[Step] = deque()
        self._scheduled = False
        self._asked_s = 0.0

    def add(self, step: Step) -> None:
        """Queue a session; it is served until its step says that there is no more."""
        self._fresh.append(step)
        if not self._scheduled:
            self._ask()

    def _ask(self) -> None:
        self._scheduled = True
        self._asked_s = self._clock()
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        begun_s = self._clock()
        until_s = begun_s + min(max(SHARE_S, (begun_s - self._asked_s) / 2), MOST_S)
        try:
            # First those who have begun, or newcomers without end would keep them waiting.
            self._serve(self._begun or self._fresh)
            while (self._fresh or self._begun) and self._clock() <= until_s:
                self._serve(self._fresh or self._begun)
        finally:  # whatever happened, nobody is left waiting
            self._scheduled = False
            if self._fresh or self._begun:
                self._ask()

    def _serve(self, waiting: deque[Step]) -> None:
        step = waiting.popleft()
        if step():
            self._begun.append(step)
