"""What the simulator knows of each symbol: price level, tick size, volatility, spread, lot.

Well-known names start near their price of January 2024. Every other name gets figures derived from
a digest of the name, so they are the same in every process and on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2s
from typing import Final


@dataclass(frozen=True, slots=True)
class Instrument:
    """The constants of one simulated symbol.

    Attributes:
        price: where the mid-price starts, in the quote currency.
        ticks_per_unit: how many ticks make 1.00; whole ticks divided by it are correctly rounded
            decimals, so a price reads 187.21 and never 187.20999.
        beta: sensitivity to the market factor.
        volatility: standard deviation of the symbol's own log return, without the market's, over a
            year of 252 sessions of 6.5 hours.
        spread: mean spread in ticks, more than 1.
        lot: the unit that every size is a multiple of.
        activity: share of all ticks, relative to the other symbols.
    """

    price: float
    ticks_per_unit: int = 100
    beta: float = 1.0
    volatility: float = 0.20
    spread: float = 2.0
    lot: int = 100
    activity: float = 1.0


KNOWN: Final[dict[str, Instrument]] = {
    "AAPL": Instrument(187.20, beta=1.1, volatility=0.16, spread=1.3, activity=1.6),
    "AMZN": Instrument(154.60, beta=1.2, volatility=0.22, spread=1.4, activity=1.3),
    "FB": Instrument(374.50, beta=1.2, volatility=0.26, spread=4.0, activity=0.8),
    "GOOG": Instrument(143.50, beta=1.1, volatility=0.20, spread=1.4),
    "IBM": Instrument(166.00, beta=0.7, volatility=0.15, spread=3.0, activity=0.5),
    "JPM": Instrument(169.00, beta=1.0, volatility=0.15, spread=2.0, activity=0.7),
    "META": Instrument(374.50, beta=1.2, volatility=0.26, spread=4.0, activity=0.8),
    "MSFT": Instrument(388.50, beta=1.0, volatility=0.16, spread=2.5, activity=1.1),
    "NVDA": Instrument(547.00, beta=1.6, volatility=0.35, spread=6.0, activity=1.8),
    "QQQ": Instrument(409.00, beta=1.2, volatility=0.06, spread=1.3, activity=1.5),
    "SPY": Instrument(476.00, beta=1.0, volatility=0.01, spread=1.2, activity=2.0),
    "TSLA": Instrument(218.90, beta=1.7, volatility=0.40, spread=3.0, activity=1.8),
    # A 24-hour market: its volatility of 55 % a year is 24 % in the hours of our year.
    "BTC-USD": Instrument(42_850.0, beta=0.4, volatility=0.24, spread=40.0, lot=1),
    "ETH-USD": Instrument(2_520.0, beta=0.4, volatility=0.30, spread=6.0, lot=1, activity=0.8),
    "EUR/USD": Instrument(
        1.0950, ticks_per_unit=100_000, beta=0.05, volatility=0.035, spread=6.0, lot=100_000
    ),
    "USD/JPY": Instrument(
        144.90, ticks_per_unit=1_000, beta=0.05, volatility=0.045, spread=7.0, lot=100_000
    ),
}


def instrument(symbol: str) -> Instrument:
    """Give the constants of `symbol`, derived from its name when it is not well known."""
    return KNOWN.get(symbol) or _derived(symbol)


def _derived(symbol: str) -> Instrument:
    level, beta, volatility, spread, activity = _fractions(symbol, 5)
    return Instrument(
        price=round(10.0 * 50.0**level, 2),  # 10 to 500, evenly in logarithm
        beta=0.6 + 0.8 * beta,
        volatility=0.15 + 0.30 * volatility,
        spread=1.2 + 3.0 * spread,
        activity=0.5 * 4.0**activity,
    )


def _fractions(name: str, count: int) -> list[float]:
    """Give `count` numbers in 0..1, a fixed function of the name, as `hash()` is not."""
    digest = blake2s(name.encode(), digest_size=4 * count).digest()
    words = (digest[i : i + 4] for i in range(0, len(digest), 4))
    return [int.from_bytes(word, "big") / 2**32 for word in words]
