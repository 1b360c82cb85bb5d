"""The simulated market: a seed in, blocks of quotes and trades out, and nothing else.

The model is the simplest one that shows what a feed meets in a real market: bursts (`arrivals`),
symbols that move together, a spread in whole ticks that comes back to its mean, and trades at the
touch. What accumulates is kept as integers (nanoseconds, ticks, 1e-12 of log price): a sum has the
same bits however it is cut, and a last-digit difference between two machines' `exp` does not
reach a price. docs/SIMULATOR.md has the formulas side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feed.sources.arrivals import Arrivals, Codes, Floats, Ints
from feed.sources.instruments import instrument
from feed.tape.block import Part, TickBlock
from feed.ticks import Quote, Trade

TRADE_SHARE: Final = 0.2
"""The fraction of ticks that are trades; the others are quotes."""

SPREAD_REFRESH: Final = 0.15
"""The probability that a quote draws a new spread instead of keeping the one before."""

QUOTE_LOTS: Final = 4.0
"""The mean size of each side of a quote, in lots."""

TRADE_LOTS: Final = 2.0
"""The mean size of a trade, in lots, before it is limited to the size shown."""

MARKET_VOLATILITY: Final = 0.16
"""The standard deviation of the market factor's log return over a year."""

YEAR_NS: Final = 252 * 6.5 * 3_600.0 * 1e9
"""A year of 252 sessions of 6.5 hours."""

LOG_UNITS: Final = 1e12
"""Log prices are counted in whole units of one over this."""

Flags = NDArray[np.bool_]

BID, ASK, BID_SIZE, ASK_SIZE = range(4)
"""Rows of a book."""


class Market:
    """An endless stream of quotes and trades that is a function of these arguments alone.

    Args:
        symbols: names, each once.
        rate: mean ticks per second of event time, of all symbols together; more than 0.
        seed: 0 or more.
        start_ns: event time of the start.
    """

    def __init__(self, symbols: Sequence[str], *, rate: float, seed: int, start_ns: int) -> None:
        self._names = np.array([*symbols, None], dtype=object)[:-1]
        self._set_constants(symbols)
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        self._arrivals = Arrivals(self._activity, rate, self._random)
        self._now_ns = start_ns
        # Carried from block to block. A bid of 0 is a symbol that was never quoted.
        self._book: Ints = np.zeros((4, len(symbols)), np.int64)
        self._quoted_ns: Ints = np.full(len(symbols), start_ns)
        self._own_log: Ints = np.zeros(len(symbols), np.int64)
        self._market_log = 0
        self._market_ns = start_ns

    def _set_constants(self, symbols: Sequence[str]) -> None:
        each = [instrument(symbol) for symbol in symbols]
        per_root_ns = LOG_UNITS / YEAR_NS**0.5
        self._activity = np.array([one.activity for one in each])
        self._per_unit = np.array([one.ticks_per_unit for one in each], np.int64)
        self._anchor = np.array([one.price for one in each]) * self._per_unit
        self._beta = np.array([one.beta for one in each])
        self._own_step = np.array([one.volatility for one in each]) * per_root_ns
        self._market_step = MARKET_VOLATILITY * per_root_ns
        self._quote_scale, self._trade_scale = _scale(QUOTE_LOTS), _scale(TRADE_LOTS)
        self._spread_scale = _scale(np.array([one.spread for one in each]))
        self._lot = np.array([one.lot for one in each], np.int64)

    def blocks(self) -> Iterator[TickBlock]:
        """Yield the stream without end, in blocks of about `SLAB_TICKS`, none of them empty."""
        while True:
            times, codes = self._arrivals.advance()
            times += self._now_ns
            self._now_ns += self._arrivals.slab_ns
            if len(times):
                yield self._block(times, codes)

    def first(self, count: int) -> Iterator[TickBlock]:
        """Yield the next `count` ticks in blocks; the rest of the last block is dropped."""
        blocks = self.blocks()
        while count > 0:
            block = next(blocks)
            yield block if len(block) <= count else block.slice(0, count)
            count -= len(block)

    def _block(self, times: Ints, codes: Codes) -> TickBlock:
        order = np.argsort(codes, kind="stable")  # by symbol, and by time within each
        by_symbol = codes[order].astype(np.int64)
        market_log = self._market(times)[order]
        is_quote = self._random.random(len(order)) >= TRADE_SHARE
        # A trade is at the touch, so a symbol's first tick must be a quote.
        is_quote |= _firsts(by_symbol) & (self._book[BID, by_symbol] == 0)
        rows, quoted = order[is_quote], by_symbol[is_quote]
        shown = self._book.copy()
        quotes = self._quotes(quoted, times[rows], market_log[is_quote])
        last = _last_quote(by_symbol, is_quote, self._book.shape[1])
        seen = np.hstack((shown, quotes))[:, last]
        quote_part = self._quote_part(rows, quoted, quotes)
        trade_part = self._trade_part(order[~is_quote], by_symbol[~is_quote], seen)
        return TickBlock(times, tuple(p for p in (quote_part, trade_part) if len(p.codes)))

    def _market(self, times: Ints) -> Ints:
        """Give the market factor's log level at each time: Brownian motion, sampled exactly."""
        elapsed = np.diff(times, prepend=self._market_ns)
        steps = np.sqrt(elapsed) * self._market_step * self._random.standard_normal(len(times))
        levels = self._market_log + np.cumsum(np.rint(steps).astype(np.int64))
        self._market_log, self._market_ns = int(levels[-1]), int(times[-1])
        return levels

    def _quotes(self, codes: Ints, times: Ints, market_log: Ints) -> Ints:
        """Give the book after each quote, and keep each symbol's last.

        The bid and ask lie around the efficient price as closely as whole ticks allow.

        Returns:
            Rows BID, ASK (in ticks), BID_SIZE and ASK_SIZE, a column per quote.
        """
        firsts = _firsts(codes)
        spread = self._spreads(codes, firsts)
        middle = self._efficient(codes, firsts, times, market_log)
        bid = np.maximum(np.rint(middle - spread / 2).astype(np.int64), 1)
        sizes = self._geometric(self._quote_scale, (2, len(codes))) * self._lot[codes]
        quotes = np.vstack((bid, bid + spread, sizes))
        # Where a symbol has several quotes, numpy keeps the last.
        self._book[:, codes] = quotes
        self._quoted_ns[codes] = times
        return quotes

    def _efficient(self, codes: Ints, firsts: Flags, times: Ints, market_log: Ints) -> Floats:
        """Give the efficient price in ticks, anchor * exp(beta * market + own).

        The single-index model of Sharpe (1963), A simplified model for portfolio analysis,
        Management Science 9, over Brownian motions sampled exactly at the quotes' times.
        """
        elapsed = times - np.where(firsts, self._quoted_ns[codes], np.roll(times, 1))
        normal = self._random.standard_normal(len(codes))
        steps = np.rint(np.sqrt(elapsed) * self._own_step[codes] * normal).astype(np.int64)
        total = np.cumsum(steps)
        own_log = self._own_log[codes] + total - (total - steps)[_latest(firsts)]
        self._own_log[codes] = own_log
        log = (self._beta[codes] * market_log + own_log) / LOG_UNITS
        return np.asarray(self._anchor[codes] * np.exp(log))

    def _spreads(self, codes: Ints, firsts: Flags) -> Ints:
        """Give each quote's spread in ticks: most keep the one before, some draw a new one.

        This is the DAR(1) process of Jacobs and Lewis (1978), Discrete time series generated by
        mixtures, J. R. Stat. Soc. B 40: it returns to its mean as AR(1) does, in whole numbers.
        """
        before = (self._book[ASK] - self._book[BID])[codes]
        drawn = self._geometric(self._spread_scale[codes], len(codes))
        is_new = self._random.random(len(codes)) < SPREAD_REFRESH
        is_new |= firsts & (before == 0)  # the symbol's first quote ever
        return np.where(is_new, drawn, before)[_latest(firsts | is_new)]

    def _geometric(self, scale: Floats, shape: int | tuple[int, ...]) -> Ints:
        """Draw 1, 2, … from a whole exponential, which is geometric; `_scale` gives the scale."""
        drawn = self._random.standard_exponential(shape)
        drawn *= scale
        whole: Ints = drawn.astype(np.int64)
        whole += 1
        return whole

    def _quote_part(self, rows: Ints, codes: Ints, quotes: Ints) -> Part:
        per_unit = self._per_unit[codes]
        columns = {
            "bid": quotes[BID] / per_unit,
            "bid_size": quotes[BID_SIZE],
            "ask": quotes[ASK] / per_unit,
            "ask_size": quotes[ASK_SIZE],
        }
        return self._part(Quote, rows, codes, columns)

    def _trade_part(self, rows: Ints, codes: Ints, seen: Ints) -> Part:
        """Trade against what each trade saw: at the bid or the ask, never more than is shown.

        Both sides are equally likely, as in Roll (1984), A simple implicit measure of the effective
        bid-ask spread in an efficient market, J. Finance 39.
        """
        is_bought = self._random.random(len(codes)) < 0.5
        wanted = self._geometric(self._trade_scale, len(codes)) * self._lot[codes]
        columns = {
            "price": np.where(is_bought, seen[ASK], seen[BID]) / self._per_unit[codes],
            "size": np.minimum(wanted, np.where(is_bought, seen[ASK_SIZE], seen[BID_SIZE])),
        }
        return self._part(Trade, rows, codes, columns)

    def _part(self, kind: type, rows: Ints, codes: Ints, columns: dict[str, NDArray[Any]]) -> Part:
        """Put columns that are sorted by symbol back into the order of time."""
        place = np.empty(int(rows.max(initial=-1)) + 1, np.int64)
        place[rows] = np.arange(len(rows))
        rows = np.sort(rows)
        back = place[rows]
        ordered = {name: values[back] for name, values in columns.items()}
        return Part(kind, rows, self._names, codes[back], ordered)


def _scale(mean: float | Floats) -> Floats:
    """Give the scale of the exponential whose whole part + 1 has a mean, which is more than 1."""
    return np.asarray(-1.0 / np.log1p(-1.0 / np.asarray(mean)))


def _firsts(codes: Ints) -> Flags:
    """Mark the first row of each symbol; `codes` is sorted."""
    firsts = np.ones(len(codes), bool)
    np.not_equal(codes[1:], codes[:-1], out=firsts[1:])
    return firsts


def _latest(marks: Flags) -> Ints:
    """Give, for each row, the latest marked row up to it; the first row is marked."""
    marked = np.flatnonzero(marks)
    return np.repeat(marked, np.diff(marked, append=len(marks)))


def _last_quote(codes: Ints, is_quote: Flags, symbols: int) -> Ints:
    """Say what each trade sees: a column of the books before this block, then of its quotes."""
    quoted = np.append(codes[is_quote], -1)
    latest = (np.cumsum(is_quote) - 1)[~is_quote]
    traded = codes[~is_quote]
    return np.where(quoted[latest] == traded, symbols + latest, traded)
