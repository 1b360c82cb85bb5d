"""How often something may be done: a rate, and a burst that may come at once.

It is the generic cell rate algorithm (ITU-T I.371): one number says when the next one is due, so a
thousand sessions have a thousand floats and no timers.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

KEPT: Final = 10_000
"""Above so many keys those are forgotten that might do a whole burst again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many per second, and `burst` at once."""

    per_s: float
    burst: int = 20

    def after(self, due_s: float, now_s: float) -> float | None:
        """Do one more: gives when the next is due, or None when this one is too many."""
        due_s = max(due_s, now_s)
        if due_s - now_s > (self.burst - 0.999) / self.per_s:  # sums of floats are not exact
            return None
        return due_s + 1 / self.per_s


class Rates:
    """One rate for each key, such as an address."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._due_s: dict[Hashable, float] = {}

    def allow(self, key: Hashable, now_s: float) -> bool:
        """Do one more for a key, and tell whether it is not too many."""
        due_s = self._rate.after(self._due_s.get(key, 0.0), now_s)
        if due_s is None:
            return False
        self._due_s[key] = due_s
        if len(self._due_s) > KEPT:
            self._due_s = {own: due for own, due in self._due_s.items() if due > now_s}
        return True
