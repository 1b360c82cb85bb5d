"""When sessions must be looked at because of their tokens, so that one comparison tells if any."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from feed.sessions.session import Session

NS: Final = 1_000_000_000
NEVER_NS: Final = 2**63 - 1
"""The last time that fits 64 bits; later ones count as this."""


class Expiries:
    """Sessions by the second in which something ends for them.

    Attributes:
        next_ns: nothing is due before, in nanoseconds since the Unix epoch.
    """

    __slots__ = ("_seconds", "_sessions", "next_ns")

    def __init__(self) -> None:
        self.next_ns = NEVER_NS
        self._sessions: dict[int, dict[Session, None]] = {}
        self._seconds: list[int] = []

    def add(self, second: int, session: Session) -> None:
        """Take note of when something ends for a session."""
        if second not in self._sessions:
            self._sessions[second] = {}
            heapq.heappush(self._seconds, second)
            self._find_next()
        self._sessions[second][session] = None

    def remove(self, second: int, session: Session) -> None:
        """Forget a session; asking twice is fine."""
        held = self._sessions.get(second, {})
        held.pop(session, None)
        if not held and self._sessions.pop(second, None) is not None:
            self._find_next()

    def take(self, now_ns: int) -> list[Session]:
        """Give those that are due, once."""
        due: list[Session] = []
        while self.next_ns <= now_ns:
            due += self._sessions.pop(self._seconds[0])
            self._find_next()
        return due

    def _find_next(self) -> None:
        while self._seconds and self._seconds[0] not in self._sessions:
            heapq.heappop(self._seconds)
        self.next_ns = min(self._seconds[0] * NS, NEVER_NS) if self._seconds else NEVER_NS
