"""The simulated market: a seed in, blocks of quotes and trades out, and nothing else.

The model is the simplest one that shows what a feed meets in a real market: bursts (`arrivals`),
symbols that move together, a spread in whole ticks that comes back to its mean, and trades at the
touch. The draws are here, and their order; what is made of them is in `scan`. What accumulates is
kept as integers (nanoseconds, ticks, 1e-12 of log price): a sum has the same bits however it is
cut, and a last-digit difference between two machines' `exp` does not reach a price.
docs/SIMULATOR.md has the formulas side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feed.sources import scan
from feed.sources.arrivals import Arrivals
from feed.sources.instruments import instrument
from feed.sources.scan import (
    LOG_UNITS,
    Codes,
    Floats,
    Ints,
    QuoteDraws,
    Rows,
    Standing,
    Terms,
    TradeDraws,
)
from feed.tape.block import VALUE_COLUMNS, Part, TickBlock
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
        # Carried from block to block.
        bid, ask, bid_size, ask_size, own_log = np.zeros((5, len(symbols)), np.int64)
        quoted_ns = np.full(len(symbols), start_ns, np.int64)
        self._standing = Standing(bid, ask, bid_size, ask_size, own_log, quoted_ns)
        self._market_log = 0
        self._market_ns = start_ns

    def _set_constants(self, symbols: Sequence[str]) -> None:
        each = [instrument(symbol) for symbol in symbols]
        per_root_ns = LOG_UNITS / YEAR_NS**0.5
        self._activity = np.array([one.activity for one in each])
        per_unit = np.array([one.ticks_per_unit for one in each], np.int64)
        self._terms = Terms(
            beta=np.array([one.beta for one in each]),
            own_step=np.array([one.volatility for one in each]) * per_root_ns,
            anchor=np.array([one.price for one in each]) * per_unit,
            spread_scale=_scale(np.array([one.spread for one in each])),
            per_unit=per_unit,
            lot=np.array([one.lot for one in each], np.int64),
        )
        self._market_step = MARKET_VOLATILITY * per_root_ns
        self._quote_scale = float(_scale(QUOTE_LOTS))
        self._trade_scale = float(_scale(TRADE_LOTS))

    def blocks(self) -> Iterator[TickBlock]:
        """Yield the stream without end, in blocks of about `SLAB_TICKS`, none of them empty."""
        while True:
            times, codes = self._arrivals.advance(self._now_ns)
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
        market = self._market(times)
        chances = self._random.random(len(codes))
        found = scan.split(codes, chances, TRADE_SHARE, self._standing.bid)
        quotes, trades = Rows(*found[:3]), Rows(*found[3:])
        quote_draws = self._draw_quotes(quotes, times, market)
        draws = (quote_draws, self._draw_trades(len(trades.rows)))
        values = scan.columns(quotes, trades, *draws, self._terms, self._standing)
        parts = self._part(Quote, quotes, values[:4]), self._part(Trade, trades, values[4:])
        return TickBlock(times, tuple(part for part in parts if len(part.codes)))

    def _market(self, times: Ints) -> Ints:
        """Give the market factor's log level at each time: Brownian motion, sampled exactly."""
        normals = self._random.standard_normal(len(times))
        before = self._market_ns, self._market_log
        levels = scan.levels(times, normals, self._market_step, *before)
        self._market_log, self._market_ns = int(levels[-1]), int(times[-1])
        return levels

    def _draw_quotes(self, quotes: Rows, times: Ints, market: Ints) -> QuoteDraws:
        """Draw efficient prices, spreads and sizes.

        The efficient price is anchor * exp(beta * market + own): the single-index model of Sharpe
        (1963), A simplified model for portfolio analysis, Management Science 9, over Brownian
        motions sampled exactly at the quotes' times.

        The spread is the DAR(1) process of Jacobs and Lewis (1978), Discrete time series generated
        by mixtures, J. R. Stat. Soc. B 40: it returns to its mean as AR(1) does, in whole numbers.
        """
        count = len(quotes.rows)
        spreads = self._random.standard_exponential(count)
        renewals = self._random.random(count)
        normals = self._random.standard_normal(count)
        logs = scan.logs(quotes, times, market, normals, self._terms, self._standing)
        moves = np.exp(logs, out=logs)
        bid_lots = self._random.standard_exponential(count)
        ask_lots = self._random.standard_exponential(count)
        drawn = (moves, spreads, renewals, bid_lots, ask_lots)
        return QuoteDraws(*drawn, renewal=SPREAD_REFRESH, lot_scale=self._quote_scale)

    def _draw_trades(self, count: int) -> TradeDraws:
        """Draw sides and sizes.

        Both sides are equally likely, as in Roll (1984), A simple implicit measure of the effective
        bid-ask spread in an efficient market, J. Finance 39.
        """
        sides = self._random.random(count)
        return TradeDraws(sides, self._random.standard_exponential(count), self._trade_scale)

    def _part(self, kind: type, rows: Rows, values: Sequence[NDArray[Any]]) -> Part:
        columns = dict(zip(VALUE_COLUMNS[kind], values, strict=True))
        return Part(kind, rows.rows, self._names, rows.codes, columns)


def _scale(mean: float | Floats) -> Floats:
    """Give the scale of the exponential whose whole part + 1 has a mean, which is more than 1."""
    return np.asarray(-1.0 / np.log1p(-1.0 / np.asarray(mean)))
