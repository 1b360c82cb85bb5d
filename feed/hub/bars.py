"""Bars aggregated live, by the event time of one source, so that a replay gives the same bars.

A bar of a symbol closes when its source's event time reaches the end of the interval, whichever
symbol's tick shows it. A tick that is older than the open bar still counts into the open bar: it
was published late, and volumes must add up. Time that steps back by more than a second means that
the tape has started over: open bars close and a new count begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from feed.ticks import Bar, Quote, Status, Tick, Trade

SECOND_NS: Final = 1_000_000_000
INTERVALS_NS: Final = {"1s": SECOND_NS, "1m": 60 * SECOND_NS}
REWIND_NS: Final = SECOND_NS


class OpenBar:
    """What one symbol did since the interval began."""

    __slots__ = ("close", "high", "low", "notional", "open", "trades", "volume")

    def __init__(self, price: float) -> None:
        self.open = self.high = self.low = self.close = price
        self.volume: int | float = 0
        self.notional = 0.0
        self.trades = 0

    def add(self, price: float) -> None:
        """Let one price move high, low and close."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price

    def merge(self, later: OpenBar) -> None:
        """Add what a later bar of the same symbol holds."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.notional += later.notional
        self.trades += later.trades


class BarBuilder:
    """Inserts the bars of one source among its ticks.

    Bars come from trades. A symbol that never traded gets them from mid-quotes, labelled so.

    Args:
        rewind_ns: how far time must step back for the source to have started over.
    """

    def __init__(self, *, rewind_ns: int = REWIND_NS) -> None:
        self._rewind_ns = rewind_ns
        self._now_ns = 0
        self._second_end_ns = 0
        self._minute_end_ns = 0
        self._seconds: dict[str, OpenBar] = {}
        self._minutes: dict[str, OpenBar] = {}
        self._traded: set[str] = set()

    def extend(self, ticks: list[Tick], newest_ns: int | None = None) -> list[Tick]:
        """Give the ticks with every bar that they close put in just before the tick that does.

        Args:
            newest_ns: the latest event time among them, where it may not be that of the last one.
        """
        if not ticks:
            return ticks
        first, last = ticks[0].ts_event, newest_ns or ticks[-1].ts_event
        if first >= self._now_ns - self._rewind_ns and max(first, last) < self._second_end_ns:
            self._count(ticks)
            self._now_ns = last
            return ticks
        return self._split(ticks)

    def _split(self, ticks: list[Tick]) -> list[Tick]:
        """Cut the burst where a second ends or time steps back, and close bars there."""
        result: list[Tick] = []
        for tick in ticks:
            ts_event = tick.ts_event
            if ts_event < self._now_ns and tick.__class__ in (Bar, Status):
                result.append(tick)  # a bar is of the time that it began
                continue
            if ts_event >= self._second_end_ns or ts_event < self._now_ns - self._rewind_ns:
                result.extend(self._advance(ts_event))
            self._now_ns = ts_event
            self._count((tick,))
            result.append(tick)
        return result

    def _advance(self, now_ns: int) -> Iterable[Bar]:
        bars = self._close_second()
        rewound = now_ns < self._now_ns - self._rewind_ns
        if rewound or now_ns >= self._minute_end_ns:
            bars += _bars(self._minutes, "1m", self._minute_end_ns, self._traded)
            self._minutes = {}
            self._minute_end_ns = _end(now_ns, INTERVALS_NS["1m"])
        self._second_end_ns = _end(now_ns, SECOND_NS)
        return bars

    def _close_second(self) -> list[Bar]:
        bars = _bars(self._seconds, "1s", self._second_end_ns, self._traded)
        for symbol, bar in self._seconds.items():
            minute = self._minutes.get(symbol)
            if minute is None or (bar.trades and not minute.trades):
                self._minutes[symbol] = bar
            else:
                minute.merge(bar)
        self._seconds = {}
        return bars

    def _count(self, ticks: Iterable[Tick]) -> None:
        seconds, traded = self._seconds, self._traded
        for tick in ticks:
            symbol = tick.symbol
            if tick.__class__ is Quote:
                if symbol in traded:
                    continue
                price = (tick.bid + tick.ask) / 2
                bar = seconds.get(symbol)
                if bar is None:
                    seconds[symbol] = OpenBar(price)
                else:
                    bar.add(price)
            elif tick.__class__ is Trade:
                self._count_trade(tick)

    def _count_trade(self, trade: Trade) -> None:
        symbol, price, size = trade.symbol, trade.price, trade.size or 0
        self._traded.add(symbol)
        bar = self._seconds.get(symbol)
        if bar is None or not bar.trades:
            bar = self._seconds[symbol] = OpenBar(price)
        else:
            bar.add(price)
        bar.trades += 1
        bar.volume += size
        bar.notional += price * size


def _end(now_ns: int, interval_ns: int) -> int:
    return (now_ns // interval_ns + 1) * interval_ns


def _bars(open_bars: dict[str, OpenBar], interval: str, end_ns: int, traded: set[str]) -> list[Bar]:
    start_ns = end_ns - INTERVALS_NS[interval]
    return [
        Bar(
            symbol,
            0,
            interval,
            start_ns,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            round(bar.notional / bar.volume, 8) if bar.volume else None,
            bar.trades,
            0,
            "trades" if bar.trades else "quotes",
        )
        for symbol, bar in open_bars.items()
        if bar.trades or symbol not in traded
    ]
