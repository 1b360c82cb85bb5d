"""What some trades of one symbol add up to: the sums behind bars and session statistics."""

from __future__ import annotations

from feed.ticks import Size


class Tally:
    """Open, high, low, last, volume and notional of trades, or of prices that are none.

    `_rows.c` adds to it likewise.

    Attributes:
        notional: sum(price * size).
        trades: how many; 0 where the prices are mid-quotes.
    """

    __slots__ = ("high", "last", "low", "notional", "open", "trades", "volume")

    def __init__(self, price: float) -> None:
        self.open = self.high = self.low = self.last = price
        self.volume: int | float = 0
        self.notional = 0.0
        self.trades = 0

    def move(self, price: float) -> None:
        """Let one price move high, low and last."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.last = price

    def add(self, price: float, size: Size) -> None:
        """Count one trade; one of unknown size moves prices but not volume."""
        self.move(price)
        self.trades += 1
        if size:
            self.volume += size
            self.notional += price * size

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
