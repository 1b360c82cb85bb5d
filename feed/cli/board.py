"""What the live table shows: the newest state of every symbol, kept apart from its drawing."""

from __future__ import annotations

from feed.protocol.messages import Snapshot
from feed.ticks import Bar, Quote, Status, Tick, Trade, is_new_session


class Price:
    """A number that people watch: its value, and which way and when it last moved."""

    __slots__ = ("direction", "moved_s", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self.direction = 0
        self.moved_s = float("-inf")

    def set(self, value: float, now_s: float) -> None:
        """Take a new value at a time of the monotonic clock; the first is no move."""
        if self.value is not None and value != self.value:
            self.direction = 1 if value > self.value else -1
            self.moved_s = now_s
        self.value = value


class Row:
    """One symbol.

    Attributes:
        reference: what the change is measured from: the previous close, or else the open.
        decimals: the most that a price of it had.
    """

    __slots__ = (
        "_trade_seq",
        "_trade_ts",
        "ask",
        "bid",
        "decimals",
        "last",
        "reference",
        "symbol",
        "ts_event",
        "volume",
    )

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bid, self.ask, self.last = Price(), Price(), Price()
        self.reference: float | None = None
        self.volume: float | None = None
        self.ts_event = 0
        self.decimals = 2
        self._trade_seq = 0
        self._trade_ts = 0

    @property
    def spread(self) -> float | None:
        """Ask minus bid."""
        if self.bid.value is None or self.ask.value is None:
            return None
        return self.ask.value - self.bid.value

    @property
    def change_percent(self) -> float | None:
        """How far the last price is from the reference."""
        if self.last.value is None or not self.reference:
            return None
        return (self.last.value / self.reference - 1) * 100

    def take(self, tick: Tick, now_s: float) -> None:
        """Take in one tick."""
        match tick:
            case Quote():
                self._price(self.bid, tick.bid, now_s)
                self._price(self.ask, tick.ask, now_s)
            case Trade():
                self._trade(tick, now_s)
            case Bar() | Status():
                return
        self.ts_event = tick.ts_event

    def _trade(self, trade: Trade, now_s: float) -> None:
        if trade.seq <= self._trade_seq:  # a snapshot has counted it already
            return
        previous, self._trade_seq = self._trade_ts, trade.seq
        self._trade_ts = trade.ts_event
        if previous and is_new_session(previous, trade.ts_event):
            self.reference, self.volume = self.last.value, 0
        self._price(self.last, trade.price, now_s)
        self.volume = (self.volume or 0) + (trade.size or 0)
        if self.reference is None:
            self.reference = trade.price

    def snapshot(self, snapshot: Snapshot, now_s: float) -> None:
        """Begin from the server's account of the trading session so far."""
        if snapshot.quote is not None:
            self.take(snapshot.quote, now_s)
        if "trades" not in snapshot.seqs:
            return
        self._trade_seq = snapshot.seqs["trades"]
        if snapshot.trade is not None:
            self._price(self.last, snapshot.trade.price, now_s)
            self._trade_ts = snapshot.trade.ts_event
            self.ts_event = max(self.ts_event, self._trade_ts)
        session = snapshot.session
        if session is not None:
            self.volume = session.volume
            self.reference = session.previous_close or session.open

    def _price(self, price: Price, value: float, now_s: float) -> None:
        if value != price.value:
            price.set(value, now_s)
            self.decimals = max(self.decimals, _decimals(value))


def _decimals(value: float) -> int:
    text = repr(float(value))
    return 8 if "e" in text else min(8, len(text.partition(".")[2].rstrip("0")))


class Board:
    """Every symbol's row."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, symbol: str) -> Row:
        """Give a symbol's row, a new one if need be."""
        row = self._rows.get(symbol)
        if row is None:
            row = self._rows[symbol] = Row(symbol)
        return row

    def take(self, ticks: list[Tick], now_s: float) -> None:
        """Take in ticks in order."""
        for tick in ticks:
            self.row(tick.symbol).take(tick, now_s)

    def first(self, count: int) -> list[Row]:
        """Give the first rows in the order of their symbols."""
        return [self._rows[symbol] for symbol in sorted(self._rows)[:count]]
