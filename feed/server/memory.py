"""Memory that crowds have given up goes back to the system; the C library alone keeps much."""

from __future__ import annotations

import ctypes
from typing import Final

CROWD: Final = 50
"""How many sessions must have come or gone for a tidy heap to be worth a few milliseconds."""


class Tidy:
    """Gives memory back after crowds have left, or come: a handshake takes 16 KiB for a moment."""

    def __init__(self) -> None:
        self._seen = 0
        self._tidied = 0

    def look(self, moves: int) -> bool:
        """Give memory back if many sessions have come or gone since that was done, and now none do.

        Args:
            moves: how many sessions have begun and have ended since the start.
        """
        seen, self._seen = self._seen, moves
        if moves - self._tidied < CROWD or moves != seen:
            return False
        self._tidied = moves
        trim()
        return True


def trim() -> None:
    """Return every free page of the heap to the system, where the C library is glibc."""
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)
