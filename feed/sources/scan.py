"""The loops of the simulated market: what lies between the draws.

They are here in numpy, to be read, and in `_market.c` and `_arrivals.c`, which are used where they
could be compiled (FEED_PURE_PYTHON=1 keeps to numpy). Nothing is drawn here and no `exp` is taken,
so both give the same bits.

To `arrivals` a tick is one number, its key: its time times the count of symbols, plus its symbol.
Then ticks are in the order of time, and what is drawn for them in the order of symbols and, within
each, of time: a tick's place says where its draws are.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]

LOG_UNITS: Final = 1e12
"""Log prices are counted in whole units of one over this."""


class Terms(NamedTuple):
    """What never changes, an entry for each symbol.

    Attributes:
        beta: how much it takes of the market's moves.
        own_step: the standard deviation of its own log price after 1 ns, in log units.
        anchor: the price at the start, in ticks.
        spread_scale: of the exponential whose whole part + 1 is a new spread, in ticks.
        per_unit: ticks in a unit of price.
        lot: shares in a lot.
    """

    beta: Floats
    own_step: Floats
    anchor: Floats
    spread_scale: Floats
    per_unit: Ints
    lot: Ints


class Standing(NamedTuple):
    """Where each symbol stands after its last quote; `logs` and `columns` move it.

    Attributes:
        bid: in ticks; 0 where it was never quoted.
        ask: in ticks.
        bid_size: in shares.
        ask_size: in shares.
        own_log: its own log price, in log units.
        quoted_ns: when that was.
    """

    bid: Ints
    ask: Ints
    bid_size: Ints
    ask_size: Ints
    own_log: Ints
    quoted_ns: Ints


class Rows(NamedTuple):
    """The quotes or the trades of a block, in order of time.

    Attributes:
        rows: the row of each in the block.
        codes: its symbol.
        places: where its draws are among those of its kind.
    """

    rows: Ints
    codes: Codes
    places: Ints


def causes(moments: Floats, unit_ns: float, picks: Floats, shares: Floats, guide: Ints) -> Ints:
    """Give the keys of ticks at moments in some unit, of symbols drawn by their shares.

    Args:
        picks: 0 to 1, where each tick falls among the shares.
        shares: the sum of each symbol's and those before it; the last is 1.
        guide: the first symbol whose share ends in or after each of equal pieces of 0 to 1.
    """
    codes = guide[(picks * len(guide)).astype(np.int64)]
    low = np.flatnonzero(shares[codes] <= picks)
    while len(low):
        codes[low] += 1
        low = low[shares[codes[low]] <= picks[low]]
    return (moments * unit_ns).astype(np.int64) * len(shares) + codes


def offspring(
    parents: Ints, picks: Floats, delays: Floats, unit_ns: float, symbols: int, end: int
) -> tuple[Ints, Ints]:
    """Give the keys of ticks that others cause: those before `end`, and those after it, less it.

    Args:
        picks: 0 to 1, where each one's cause is among the parents.
        delays: how much later than its cause each is, in some unit.
    """
    born = parents[(picks * len(parents)).astype(np.int64)]
    born += (delays * unit_ns).astype(np.int64) * symbols
    return _parted(born, end)


def cut(keys: Ints, end: int) -> tuple[Ints, Ints]:
    """Give those before `end`, and those after it, less it."""
    return _parted(keys, end)


def _parted(keys: Ints, end: int) -> tuple[Ints, Ints]:
    is_here = keys < end
    return keys[is_here], keys[~is_here] - end


def times_and_codes(keys: Ints, symbols: int, start_ns: int) -> tuple[Ints, Codes]:
    """Give the time of each tick, which counts from `start_ns`, and its symbol."""
    times = keys // symbols
    codes = (keys - times * symbols).astype(np.int32)
    times += start_ns
    return times, codes


def levels(times: Ints, normals: Floats, step: float, before_ns: int, before: int) -> Ints:
    """Give a Brownian motion in whole units at each time.

    Args:
        times: ascending.
        step: its standard deviation after 1 ns.
        before_ns: the time before the first, at which it was `before`.
    """
    steps = np.sqrt(np.diff(times, prepend=before_ns)) * step * normals
    return before + np.cumsum(np.rint(steps).astype(np.int64))


def split(
    codes: Codes, chances: Floats, share: float, bids: Ints
) -> tuple[Ints, Codes, Ints, Ints, Codes, Ints]:
    """Tell quotes and trades apart: a tick is a trade where its chance is below the share.

    A trade is at the touch, so a symbol's first tick must be a quote.

    Args:
        chances: 0 to 1, in order of the symbols.
        bids: of each symbol before the block; 0 where there is none.

    Returns:
        What `Rows` holds of the quotes, and of the trades.
    """
    order = _by_symbol(codes)
    ordered = codes.take(order)
    is_quote = chances >= share
    is_quote |= _firsts(ordered) & (bids.take(ordered) == 0)
    return *_rows(order[is_quote], codes), *_rows(order[~is_quote], codes)


def _rows(order: Ints, codes: Codes) -> tuple[Ints, Codes, Ints]:
    """Give what `Rows` holds of rows that are in order of the symbols."""
    places = np.empty(len(codes), np.int64)
    places[order] = np.arange(len(order))
    rows = np.sort(order)
    return rows, codes[rows], places[rows]


def logs(
    quotes: Rows, times: Ints, market: Ints, normals: Floats, terms: Terms, standing: Standing
) -> Floats:
    """Give the log of price over anchor at each quote, in order of the symbols.

    Args:
        times: of all ticks of the block.
        market: the market's log price at each of them, in log units.
        normals: one for each quote.
    """
    order, codes = _by_place(quotes)
    rows = quotes.rows[order]
    firsts = _firsts(codes)
    quoted = times[rows]
    elapsed = quoted - np.where(firsts, standing.quoted_ns[codes], np.roll(quoted, 1))
    steps = np.rint(np.sqrt(elapsed) * terms.own_step[codes] * normals).astype(np.int64)
    total = np.cumsum(steps)
    own = standing.own_log[codes] + total - (total - steps)[_latest(firsts)]
    # Where a symbol has several quotes, numpy keeps the last.
    standing.own_log[codes] = own
    standing.quoted_ns[codes] = quoted
    return np.asarray((terms.beta[codes] * market[rows] + own) / LOG_UNITS)


class QuoteDraws(NamedTuple):
    """What is drawn for quotes, and how it is taken.

    Attributes:
        moves: price over anchor.
        spreads: exponential; new spreads, where they are taken.
        renewals: 0 to 1; a new spread is taken below `renewal`.
        bid_lots: exponential.
        ask_lots: exponential.
        renewal: as above.
        lot_scale: of the exponential whose whole part + 1 is a number of lots.
    """

    moves: Floats
    spreads: Floats
    renewals: Floats
    bid_lots: Floats
    ask_lots: Floats
    renewal: float
    lot_scale: float


class TradeDraws(NamedTuple):
    """What is drawn for trades, and how it is taken.

    Attributes:
        sides: 0 to 1; below a half it is at the ask.
        lots: exponential.
        lot_scale: of the exponential whose whole part + 1 is a number of lots.
    """

    sides: Floats
    lots: Floats
    lot_scale: float


def columns(
    quotes: Rows,
    trades: Rows,
    quote_draws: QuoteDraws,
    trade_draws: TradeDraws,
    terms: Terms,
    standing: Standing,
) -> tuple[Floats, Ints, Floats, Ints, Floats, Ints]:
    """Quote around the efficient price, and trade against the quote before.

    The bid and ask lie around the price as closely as whole ticks allow. A trade is at one of them,
    never for more than is shown there.

    Returns:
        The columns of the quotes (bid, bid_size, ask, ask_size) and of the trades (price, size).
    """
    shown = np.stack(standing[:4])
    books = _books(quotes, quote_draws, terms, standing)
    seen = np.hstack((shown, books)).take(_last_quote(quotes, trades, len(terms.lot)), axis=1)
    bid, ask, bid_size, ask_size = books.take(quotes.places, axis=1)
    per_unit = terms.per_unit.take(quotes.codes)
    price, size = _traded(trades, seen, trade_draws, terms)
    return bid / per_unit, bid_size, ask / per_unit, ask_size, price, size


def _books(quotes: Rows, draws: QuoteDraws, terms: Terms, standing: Standing) -> Ints:
    """Give the book after each quote, and keep each symbol's last.

    Returns:
        Rows as in `Standing`, a column per quote, in order of the symbols.
    """
    _, codes = _by_place(quotes)
    spread = _spreads(codes, draws, terms, standing)
    middle = terms.anchor[codes] * draws.moves
    bid = np.maximum(np.rint(middle - spread / 2).astype(np.int64), 1)
    lot = terms.lot[codes]
    sizes = [_whole(lots, draws.lot_scale) * lot for lots in (draws.bid_lots, draws.ask_lots)]
    books = np.stack((bid, bid + spread, *sizes))
    for kept, values in zip(standing[:4], books, strict=True):
        kept[codes] = values
    return books


def _spreads(codes: Ints, draws: QuoteDraws, terms: Terms, standing: Standing) -> Ints:
    """Give each quote's spread in ticks: most keep the one before, some take a new one."""
    firsts = _firsts(codes)
    before = (standing.ask - standing.bid)[codes]
    is_new = draws.renewals < draws.renewal
    is_new |= firsts & (before == 0)  # the symbol's first quote ever
    drawn = _whole(draws.spreads, terms.spread_scale[codes])
    spreads: Ints = np.where(is_new, drawn, before)[_latest(firsts | is_new)]
    return spreads


def _traded(trades: Rows, seen: Ints, draws: TradeDraws, terms: Terms) -> tuple[Floats, Ints]:
    """Give price and size of trades that see these books."""
    is_bought = draws.sides[trades.places] < 0.5
    bid, ask, bid_size, ask_size = seen
    wanted = _whole(draws.lots[trades.places], draws.lot_scale) * terms.lot.take(trades.codes)
    price = np.where(is_bought, ask, bid) / terms.per_unit.take(trades.codes)
    return price, np.minimum(wanted, np.where(is_bought, ask_size, bid_size))


def _last_quote(quotes: Rows, trades: Rows, symbols: int) -> Ints:
    """Say what each trade sees: a column of the books before this block, then of its quotes."""
    order, quoted = _by_place(quotes)
    trade_order, traded = _by_place(trades)
    ticks = 1 + max(each.rows.max(initial=0) for each in (quotes, trades))
    quote_keys = quoted * ticks + quotes.rows[order]
    # The latest quote of the same symbol, or of one before it.
    latest = quote_keys.searchsorted(traded * ticks + trades.rows[trade_order]) - 1
    is_own = np.append(quoted, -1)[latest] == traded
    return np.where(is_own, symbols + latest, traded)[trades.places]


def _whole(drawn: Floats, scale: Floats | float) -> Ints:
    """Give 1, 2, …, which is geometric, of an exponential."""
    whole: Ints = (drawn * scale).astype(np.int64)
    whole += 1
    return whole


def _by_symbol(codes: Codes) -> Ints:
    """Give the rows in order of the symbols, and of time within each."""
    # 16-bit codes are sorted by radix, ten times faster than wider ones.
    narrow = codes.astype(np.uint16) if codes.max(initial=0) <= 0xFFFF else codes
    return np.argsort(narrow, kind="stable")


def _by_place(own: Rows) -> tuple[Ints, Ints]:
    """Give the order of the places, and the codes in it: sorted, and as wide as an index."""
    order = np.empty(len(own.places), np.int64)
    order[own.places] = np.arange(len(own.places))
    return order, own.codes.take(order).astype(np.int64)


def _firsts(codes: Ints | Codes) -> Flags:
    """Mark the first row of each symbol; `codes` is sorted."""
    firsts = np.ones(len(codes), bool)
    np.not_equal(codes[1:], codes[:-1], out=firsts[1:])
    return firsts


def _latest(marks: Flags) -> Ints:
    """Give, for each row, the latest marked row up to it; the first row is marked."""
    marked = np.flatnonzero(marks)
    return np.repeat(marked, np.diff(marked, append=len(marks)))


IN_PYTHON: Final = (causes, cut, offspring, times_and_codes, levels, split, logs, columns)
"""All of it in numpy, whatever is used."""

if not TYPE_CHECKING and not os.environ.get("FEED_PURE_PYTHON"):
    with suppress(ImportError):
        from feed.sources._market import (
            causes,
            columns,
            cut,
            levels,
            logs,
            offspring,
            split,
            times_and_codes,
        )

IN_C: Final[bool] = columns is not IN_PYTHON[-1]
"""Whether what is used is compiled."""
