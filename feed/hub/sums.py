"""What some trades of one symbol add up to, in Python; `feed.hub.path` has what is used."""

from __future__ import annotations

from feed.ticks import Size


class Sums:
    """Open, high, low, last, volume and notional of trades, or of prices that are none.

    Args:
        price: the first one, which is still to be counted.

    Attributes:
        notional: sum(price * size).
        trades: how many; 0 where the prices are mid-quotes.
        day: of `ts_event` since the epoch, for whoever begins anew with each.
        ts_event: of the newest trade, likewise.
    """

    __slots__ = (
        "day",
        "high",
        "last",
        "low",
        "notional",
        "open",
        "trades",
        "ts_event",
        "volume",
    )

    def __init__(self, price: float) -> None:
        self.open = self.high = self.low = self.last = float(price)
        self.volume: int | float = 0
        self.notional = 0.0
        self.trades = self.day = self.ts_event = 0

    def move(self, price: float) -> None:
        """Let one price move high, low and last."""
        price = float(price)
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
            self.notional += self.last * size
