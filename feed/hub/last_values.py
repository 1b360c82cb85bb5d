"""The newest tick of every stream, and the statistics of each symbol's trading session."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final, TypeVar

from feed.hub.index import Index
from feed.protocol.messages import Snapshot, Statistics
from feed.symbols import SymbolSet
from feed.ticks import Bar, Quote, Status, Trade

_T = TypeVar("_T", Quote, Trade, Bar, Status)

DAY_NS: Final = 86_400_000_000_000
REWIND_NS: Final = 1_000_000_000
"""Trades that step back by more than this begin a new session: the tape has started over."""


class SessionStatistics:
    """Open, high, low, last, volume and VWAP of one symbol's trades since the session began.

    A session is a UTC day of `ts_event`. VWAP = sum(price * size) / sum(size).
    """

    __slots__ = ("_day", "_notional", "_ts_event", "values")

    def __init__(self) -> None:
        self.values = Statistics()
        self._day = -1
        self._ts_event = 0
        self._notional = 0.0

    def add(self, trade: Trade) -> None:
        """Count one trade; trades of unknown size move prices but not volume."""
        ts_event = trade.ts_event
        if ts_event // DAY_NS != self._day or ts_event < self._ts_event - REWIND_NS:
            self._begin(trade)
        self._ts_event = ts_event
        values, price = self.values, trade.price
        if price > values.high:  # type: ignore[operator]
            values.high = price
        elif price < values.low:  # type: ignore[operator]
            values.low = price
        values.last = price
        if trade.size:
            values.volume += trade.size
            self._notional += price * trade.size

    def snapshot(self) -> Statistics:
        """Give the statistics as they stand now."""
        values = self.values
        vwap = self._notional / values.volume if values.volume else None
        return Statistics(
            values.open,
            values.high,
            values.low,
            values.last,
            values.previous_close,
            values.volume,
            None if vwap is None else round(vwap, 8),
        )

    def _begin(self, trade: Trade) -> None:
        self._day = trade.ts_event // DAY_NS
        self._notional = 0.0
        price = trade.price
        self.values = Statistics(price, price, price, price, previous_close=self.values.last)


class LastValues:
    """What a session that arrives now must be told about each symbol."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._statistics: dict[str, SessionStatistics] = {}

    def count(self, trade: Trade) -> None:
        """Add one trade to its symbol's session statistics."""
        statistics = self._statistics.get(trade.symbol)
        if statistics is None:
            statistics = self._statistics[trade.symbol] = SessionStatistics()
        statistics.add(trade)

    def forget(self, symbols: Container[str] | SymbolSet) -> None:
        """Forget the statistics of some symbols."""
        for symbol in [own for own in self._statistics if own in symbols]:
            del self._statistics[symbol]

    def snapshot(self, symbol: str, channels: Iterable[str]) -> Snapshot:
        """Give the latest state of a symbol, with the seqs of the channels named."""
        seqs = {}
        for channel in channels:
            stream = self._index.find(channel, symbol)
            seqs[channel] = stream.seq if stream else 0
        statistics = self._statistics.get(symbol)
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
