"""What some trades of one symbol add up to: the sums behind bars and session statistics."""

from __future__ import annotations

from feed.hub.path import Sums


class Tally(Sums):
    """Sums that can be put together."""

    __slots__ = ()

    def merge(self, later: Tally) -> None:
        """Add what a later tally of the same symbol holds."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.last = later.last
        self.volume += later.volume
        self.notional += later.notional
        self.trades += later.trades

    @property
    def vwap(self) -> float | None:
        """Give sum(price * size) / sum(size), or None without volume."""
        return round(self.notional / self.volume, 8) if self.volume else None
