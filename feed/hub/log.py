"""Recent ticks in order of arrival, bounded: the oldest of all goes first, whosever it is.

This is how it works, in Python; `feed.hub.path` has what is used: `_log.c`, where that could be
compiled.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

HEAD_BYTES: Final = 24
"""What a payload costs beside its own bytes, which are rounded up to a multiple of 16."""


def cost_bytes(size: int) -> int:
    """Give what a payload of some size takes in the log."""
    return HEAD_BYTES + (size + 15) // 16 * 16


class Log:
    """The order of what streams hold, and what it takes.

    Args:
        limit_bytes: the most it may take.

    Attributes:
        held_bytes: what it takes. A tick that its stream has let go counts until it is the oldest.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._order: deque[tuple[Held, int, int]] = deque()

    def append(self, stream: Held, place: int, cost: int) -> None:
        """Take note of a payload, and let the oldest go while there are too many."""
        self._order.append((stream, place, cost))
        self.held_bytes += cost
        while self.held_bytes > self.limit_bytes:
            oldest, at, size = self._order.popleft()
            self.held_bytes -= size
            oldest.drop(at)


class Held:
    """What every stream is, and what the log holds of it.

    Attributes:
        seq: of the newest tick; 0 before the first.
        newest: its payload, also when the log holds it no more; None before the first.
    """

    __slots__ = ("_first", "_log", "_most", "_payloads", "newest", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self.newest: bytes | None = None
        self._log: Log | None = None
        self._most = 0
        self._first = 0
        self._payloads: deque[bytes] = deque()

    def open(self, log: Log, most: int) -> None:
        """Have so many ticks at most in a log from now on."""
        self._log, self._most = log, most

    @property
    def opened(self) -> bool:
        """Whether it is in a log."""
        return self._log is not None

    @property
    def held(self) -> int:
        """How many payloads are held: those up to the newest, none missing."""
        return len(self._payloads)

    def keep(self, payload: bytes) -> None:
        """Keep the newest payload."""
        self.newest = payload
        cost, log = cost_bytes(len(payload)), self._log
        if log is None or self._most == 0 or cost > log.limit_bytes:
            self._let_go()
            return
        if len(self._payloads) == self._most:
            self.drop(self._first)
        self._payloads.append(payload)
        log.append(self, self._first + len(self._payloads) - 1, cost)

    def clear(self) -> None:
        """Let all payloads go, the newest too."""
        self.newest = None
        self._let_go()

    def find(self, start: int, count: int) -> list[bytes]:
        """Give up to `count` payloads from a place on; the oldest that is held is at 0."""
        return list(islice(self._payloads, start, start + count))

    def drop(self, place: int) -> None:
        """Let the oldest payload go, if it is the one of that place since the beginning."""
        if self._payloads and self._first == place:
            self._payloads.popleft()
            self._first += 1

    def _let_go(self) -> None:
        self._first += len(self._payloads)
        self._payloads.clear()
