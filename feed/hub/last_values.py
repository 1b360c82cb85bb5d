"""The newest tick of every stream, and the statistics of each symbol's trading session."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final, TypeVar

from feed.hub.index import Index
from feed.hub.path import Sums
from feed.protocol.messages import Snapshot, Statistics
from feed.symbols import SymbolSet
from feed.ticks import DAY_NS, Bar, Quote, Size, Status, Trade, is_new_session

NO_DAY: Final = -(2**63)

_T = TypeVar("_T", Quote, Trade, Bar, Status)


class SessionStatistics(Sums):
    """Open, high, low, last, volume and VWAP of one symbol's trades since the session began.

    A session is a UTC day of `ts_event`. `_counting.c` counts into it likewise, and keeps it: once
    it is over its `day` is none that a trade could have.

    Args:
        price: of the first trade, which is still to be added.
        ts_event: its time.
    """

    __slots__ = ("previous_close",)

    def __init__(self, price: float, ts_event: int, previous_close: float | None = None) -> None:
        super().__init__(price)
        self.ts_event = ts_event
        self.day = ts_event // DAY_NS
        self.previous_close = previous_close

    def end(self) -> None:
        """Let nobody count into it any more."""
        self.day = NO_DAY

    def snapshot(self) -> Statistics:
        """Give the statistics as they stand now."""
        return Statistics(
            self.open,
            self.high,
            self.low,
            self.last,
            self.previous_close,
            self.volume,
            self.vwap,
        )


class LastValues:
    """What a session that arrives now must be told about each symbol.

    Attributes:
        statistics: of each symbol that has traded.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self.statistics: dict[str, SessionStatistics] = {}

    def count(self, symbol: str, ts_event: int, price: float, size: Size) -> None:
        """Add one trade to its symbol's session statistics."""
        own = self.statistics.get(symbol)
        if own is None or is_new_session(own.ts_event, ts_event):
            previous = None
            if own is not None:
                previous = own.last
                own.end()
            own = self.statistics[symbol] = SessionStatistics(price, ts_event, previous)
        own.ts_event = ts_event
        own.add(price, size)

    def count_all(self, trades: Iterable[Trade]) -> None:
        """Add trades, in order."""
        for trade in trades:
            self.count(trade.symbol, trade.ts_event, trade.price, trade.size)

    def forget(self, symbols: Container[str] | SymbolSet) -> None:
        """Forget the statistics of some symbols."""
        for symbol in [own for own in self.statistics if own in symbols]:
            self.statistics.pop(symbol).end()

    def snapshot(self, symbol: str, channels: Iterable[str]) -> Snapshot:
        """Give the latest state of a symbol, with the seqs of the channels named."""
        seqs = {}
        for channel in channels:
            stream = self._index.find(channel, symbol)
            seqs[channel] = stream.seq if stream else 0
        statistics = self.statistics.get(symbol)
        return Snapshot(
            symbol,
            seqs,
            quote=self._newest(Quote, symbol),
            trade=self._newest(Trade, symbol),
            bar=self._newest(Bar, symbol),
            status=self._newest(Status, symbol),
            session=statistics.snapshot() if statistics else None,
        )

    def _newest(self, kind: type[_T], symbol: str) -> _T | None:
        stream = self._index.by_kind[kind].get(symbol)
        return stream.last if stream else None  # type: ignore[return-value]
