"""Bars aggregated live, by the event time of one source, so that a replay gives the same bars.

A bar of a symbol closes when its source's event time reaches the end of the interval, whichever
symbol's tick shows it. A tick that is older than the open bar still counts into the open bar: it
was published late, and volumes must add up. Time that steps back by more than a second means that
the tape has started over: open bars close and a new count begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from feed.hub.path import Sums, bars_of, gather
from feed.ticks import Bar, Quote, Size, Status, Tick, Trade

SECOND_NS: Final = 1_000_000_000
INTERVALS_NS: Final = {"1s": SECOND_NS, "1m": 60 * SECOND_NS}
REWIND_NS: Final = SECOND_NS


class BarBuilder:
    """Inserts the bars of one source among its ticks.

    Bars come from trades. A symbol that never traded gets them from mid-quotes, labelled so.

    Args:
        rewind_ns: how far time must step back for the source to have started over.

    Attributes:
        seconds: the open bars of one second, by symbol.
        traded: the symbols that have traded.
    """

    def __init__(self, *, rewind_ns: int = REWIND_NS) -> None:
        # `_rows.c` reads the next three, and does what `holds` does.
        self._rewind_ns = rewind_ns
        self._now_ns = 0
        self._second_end_ns = 0
        self._minute_end_ns = 0
        self.seconds: dict[str, Sums] = {}
        self._minutes: dict[str, Sums] = {}
        self.traded: set[str] = set()

    def extend(self, ticks: list[Tick], newest_ns: int | None = None) -> list[Tick]:
        """Give the ticks with every bar that they close put in just before the tick that does.

        Args:
            newest_ns: the latest event time among them, where it may not be that of the last one.
        """
        if not ticks:
            return ticks
        if self.holds(ticks[0].ts_event, newest_ns or ticks[-1].ts_event):
            self.count(ticks)
            return ticks
        return self._split(ticks)

    def holds(self, first_ns: int, newest_ns: int) -> bool:
        """Tell whether ticks from one time to another close no bar; then it is that late.

        Whoever asks counts them, one by one.
        """
        end_ns = self._second_end_ns
        if first_ns >= end_ns or newest_ns >= end_ns or first_ns < self._now_ns - self._rewind_ns:
            return False
        self._now_ns = newest_ns
        return True

    def count_trade(self, symbol: str, price: float, size: Size) -> None:
        """Count one trade into the open bar."""
        self.traded.add(symbol)
        bar = self.seconds.get(symbol)
        if bar is None or not bar.trades:
            bar = self.seconds[symbol] = Sums(price)
        bar.add(price, size)

    def count_mid(self, symbol: str, price: float) -> None:
        """Count one mid-quote of a symbol that has never traded."""
        bar = self.seconds.get(symbol)
        if bar is None:
            self.seconds[symbol] = Sums(price)
        else:
            bar.move(price)

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
            self.count((tick,))
            result.append(tick)
        return result

    def _advance(self, now_ns: int) -> Iterable[Bar]:
        bars = self._close_second()
        rewound = now_ns < self._now_ns - self._rewind_ns
        if rewound or now_ns >= self._minute_end_ns:
            bars += self._bars(self._minutes, "1m", self._minute_end_ns)
            self._minutes = {}
            self._minute_end_ns = _end(now_ns, INTERVALS_NS["1m"])
        self._second_end_ns = _end(now_ns, SECOND_NS)
        return bars

    def _close_second(self) -> list[Bar]:
        bars = self._bars(self.seconds, "1s", self._second_end_ns)
        gather(self._minutes, self.seconds)
        self.seconds = {}
        return bars

    def _bars(self, sums: dict[str, Sums], interval: str, end_ns: int) -> list[Bar]:
        return bars_of(sums, interval, end_ns - INTERVALS_NS[interval], self.traded)

    def count(self, ticks: Iterable[Tick]) -> None:
        """Count ticks that close no bar."""
        traded = self.traded
        for tick in ticks:
            if tick.__class__ is Quote:
                if tick.symbol not in traded:
                    self.count_mid(tick.symbol, (tick.bid + tick.ask) / 2)
            elif tick.__class__ is Trade:
                self.count_trade(tick.symbol, tick.price, tick.size)


def _end(now_ns: int, interval_ns: int) -> int:
    return (now_ns // interval_ns + 1) * interval_ns
