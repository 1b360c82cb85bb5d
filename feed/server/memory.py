"""Memory that sessions have given up goes back to the system; the C library alone keeps much."""

from __future__ import annotations

import ctypes
from typing import Final

ENOUGH_GONE: Final = 50
"""How many sessions must have ended for a look at the heap to be worth a few milliseconds."""


class Tidy:
    """Gives memory back after crowds have left."""

    def __init__(self) -> None:
        self._seen = 0
        self._tidied = 0

    def look(self, ended: int) -> bool:
        """Give memory back if many sessions have ended since that was done, and now none does.

        Args:
            ended: how many sessions have ended since the start.
        """
        seen, self._seen = self._seen, ended
        if ended - self._tidied < ENOUGH_GONE or ended != seen:
            return False
        self._tidied = ended
        trim()
        return True


def trim() -> None:
    """Return every free page of the heap to the system, where the C library is glibc."""
    call = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if call is not None:
        call(0)
