"""What some trades of one symbol add up to: the sums behind bars and session statistics.

This is how it works, in Python; `feed.hub.path` has what is used: `_sums.c`, where that could be
compiled.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from feed.ticks import Bar, Size

VWAP_PLACES: Final = 8


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

    def merge(self, later: Sums) -> None:
        """Add what later sums of the same symbol hold."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.last = later.last
        self.volume += later.volume
        self.notional += later.notional
        self.trades += later.trades

    @property
    def vwap(self) -> float | None:
        """Give sum(price * size) / sum(size), or None without volume."""
        return round(self.notional / self.volume, VWAP_PLACES) if self.volume else None


def gather(longer: dict[str, Sums], shorter: dict[str, Sums]) -> None:
    """Put the sums of a shorter interval together with those of a longer one, by symbol.

    Trades take the place of mid-quotes. What has nothing to be put together with is taken as it is,
    so nobody may count into it any more.
    """
    for symbol, own in shorter.items():
        before = longer.get(symbol)
        if before is None or (own.trades and not before.trades):
            longer[symbol] = own
        else:
            before.merge(own)


def bars_of(
    sums: dict[str, Sums], interval: str, start_ns: int, traded: Container[str]
) -> list[Bar]:
    """Make the bar of each symbol, but of mid-quotes only where a symbol never traded."""
    return [
        Bar(
            symbol,
            0,
            interval,
            start_ns,
            own.open,
            own.high,
            own.low,
            own.last,
            own.volume,
            own.vwap,
            own.trades,
            0,
            "trades" if own.trades else "quotes",
        )
        for symbol, own in sums.items()
        if own.trades or symbol not in traded
    ]
