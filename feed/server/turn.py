"""How much of one turn of the event loop the sessions' own doings may take.

When hundreds of clients come back at once, all of their commands may be ready in the same turn, and
everybody else would wait until each is served. So a turn serves what fits its share; the rest stays
in the kernel, which offers it again in the next turn, after the ticks of this one have gone out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

SHARE_S: Final = 0.004


class Loop(Protocol):
    """What a turn needs of the event loop."""

    def call_soon(self, callback: Callable[[], None]) -> object: ...


class Turn:
    """The share of the current turn, common to all sessions.

    Args:
        loop: runs what is called soon at the beginning of the next turn.
        clock: gives seconds that never step.
    """

    def __init__(self, loop: Loop, clock: Callable[[], float] = time.monotonic) -> None:
        self._loop = loop
        self._clock = clock
        self._until_s: float | None = None

    def over(self) -> bool:
        """Tell whether the share is used up; the first to ask in a turn never hears so."""
        now_s = self._clock()
        if self._until_s is None:
            self._until_s = now_s + SHARE_S
            self._loop.call_soon(self._begin)
        return now_s > self._until_s

    def _begin(self) -> None:
        self._until_s = None
