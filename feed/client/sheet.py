"""What each symbol is at now, as one matrix that is brought up to date by what has come since.

It is for the thread that takes ticks in, and costs by the number of new ticks, in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feed.client.held import Held
from feed.protocol.messages import Snapshot
from feed.tape.ring import Columns
from feed.ticks import Quote, Trade, is_new_session

FIELDS: Final = ("bid", "ask", "last", "reference", "volume")
"""The columns of the matrix. `reference` is what the change counts from: the previous close, or
else the first price known; `volume` is that of the session, a UTC day."""

BID, ASK, LAST, REFERENCE, VOLUME = range(len(FIELDS))
TRAIL_ROWS: Final = 500
_LOOKED_AT: Final = 100_000


class Sheet:
    """The matrix of one widget.

    Args:
        held: the ticks.
        snapshots: gives the latest snapshot of each symbol, where a session's figures begin.

    Attributes:
        symbols: by the rows of `values`.
        values: one row for each symbol, NaN where nothing is known.
    """

    def __init__(self, held: Held, snapshots: Callable[[], Mapping[str, Snapshot]]) -> None:
        self.symbols: list[str] = []
        self.values: NDArray[np.float64] = np.empty((0, len(FIELDS)))
        self._held = held
        self._snapshots = snapshots
        self._begun: dict[str, Snapshot] = {}
        self._counted_seq: NDArray[np.int64] = np.empty(0, np.int64)
        self._ts_event: NDArray[np.int64] = np.empty(0, np.int64)
        self._totals: dict[type, int] = {Quote: 0, Trade: 0}

    def update(self) -> bool:
        """Take in what has come since the last time; False when that is nothing."""
        fresh = [self._fresh(Quote), self._fresh(Trade)]
        snapshots = [own for own in self._snapshots().values() if self._is_new(own)]
        for own in snapshots:
            _ = self._held.symbols[own.symbol]  # gives it a row
        self._grow()
        for own in snapshots:
            self._begin(own)
        self._take_quotes(fresh[0])
        self._take_trades(fresh[1])
        return bool(snapshots or any(map(len, fresh)))

    def trail(self, symbol: str) -> NDArray[np.float64]:
        """Give a symbol's recent prices, mid-prices if it has none: times in s, then prices."""
        code = self._held.symbols[symbol]
        ticks = self._recent(Trade, code)
        if not len(ticks):
            ticks = self._recent(Quote, code)
        price = ticks["price"] if ticks.kind is Trade else (ticks["bid"] + ticks["ask"]) / 2
        return np.stack([ticks["ts_event"] / 1e9, price])

    def _recent(self, kind: type, code: int) -> Columns:
        columns = self._held.columns(kind)
        columns = columns.take(slice(-_LOOKED_AT, None))
        return columns.take(np.flatnonzero(columns["symbol"] == code)[-TRAIL_ROWS:])

    def _fresh(self, kind: type) -> Columns:
        columns, self._totals[kind] = self._held.newer(kind, self._totals[kind])
        return columns

    def _grow(self) -> None:
        """Give every symbol its row."""
        new = len(self._held.symbols) - len(self.symbols)
        self.symbols = list(self._held.symbols)
        rows = np.full((new, len(FIELDS)), np.nan)
        rows[:, VOLUME] = 0
        self.values = np.concatenate([self.values, rows])
        self._counted_seq = np.append(self._counted_seq, np.zeros(new, np.int64))
        self._ts_event = np.append(self._ts_event, np.zeros(new, np.int64))

    def _is_new(self, snapshot: Snapshot) -> bool:
        return self._begun.get(snapshot.symbol) is not snapshot

    def _begin(self, snapshot: Snapshot) -> None:
        """Begin from the server's account; its trades only where it opens that stream."""
        self._begun[snapshot.symbol] = snapshot
        code, quote, trade = self._held.symbols[snapshot.symbol], snapshot.quote, snapshot.trade
        row = self.values[code]
        if quote is not None:
            row[[BID, ASK]] = quote.bid, quote.ask
        session = snapshot.session
        if trade is None or session is None or "trades" not in snapshot.seqs:
            return
        reference = session.previous_close if session.previous_close is not None else session.open
        row[[LAST, REFERENCE, VOLUME]] = trade.price, reference, session.volume
        self._counted_seq[code], self._ts_event[code] = snapshot.seqs["trades"], trade.ts_event

    def _take_quotes(self, quotes: Columns) -> None:
        codes = quotes["symbol"]
        self.values[codes, BID] = quotes["bid"]  # of several of one symbol, the last one counts
        self.values[codes, ASK] = quotes["ask"]

    def _take_trades(self, trades: Columns) -> None:
        trades = trades.take(trades["seq"] > self._counted_seq[trades["symbol"]])
        codes = trades["symbol"]
        self._roll(codes, trades["ts_event"])
        self.values[codes, LAST] = trades["price"]
        np.add.at(self.values[:, VOLUME], codes, np.nan_to_num(trades["size"]))
        missing = codes[np.isnan(self.values[codes, REFERENCE])]
        first: Any = trades["price"][::-1]
        firsts = np.full(len(self.values), np.nan)
        firsts[codes[::-1]] = first
        self.values[missing, REFERENCE] = firsts[missing]

    def _roll(self, codes: NDArray[Any], times: NDArray[Any]) -> None:
        """Begin a new session for symbols whose day has changed, or whose tape has started over."""
        before = self._ts_event.copy()
        self._ts_event[codes] = times
        turned = is_new_session(before, self._ts_event)
        rolled = np.flatnonzero(turned & (before > 0))
        self.values[rolled, REFERENCE] = self.values[rolled, LAST]
        self.values[rolled, VOLUME] = 0
