"""Which sockets one turn of the event loop hears of: a few at a time, in the order of their calls.

asyncio serves every socket that is ready in one turn. When a thousand clients shake hands at the
same moment, that turn takes as long as all of them together, and every tick waits for it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from typing import Final

SOCKETS: Final = 32
"""How many are told of in one turn. Most ask for a `recv` only, and queue for the rest in a `Turn`;
a request for Tornado is a third of a millisecond, and the handshake of TLS one or two more. With 8
a crowd is slow to come back: 5.5 clients in a turn, most of which is flushing ticks."""

Ready = tuple[selectors.SelectorKey, int]


class Readiness(selectors.DefaultSelector):
    """A selector that keeps what is too much for one turn for the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[Ready] = deque()

    def select(self, timeout: float | None = None) -> list[Ready]:
        """Tell of sockets that are ready; none that was changed or given up meanwhile."""
        if not self._kept:
            ready = super().select(timeout)
            if len(ready) <= SOCKETS:
                return ready
            self._kept.extend(ready)
        some = [self._kept.popleft() for _ in range(min(SOCKETS, len(self._kept)))]
        known = self.get_map()
        return [own for own in some if known.get(own[0].fd) is own[0]]


def new_loop() -> asyncio.AbstractEventLoop:
    """Make an event loop that hears of a few sockets at a time."""
    return asyncio.SelectorEventLoop(Readiness())
