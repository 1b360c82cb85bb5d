"""Bars out of ticks that are at hand as columns, by the rules of the feed's own (feed.hub.bars).

A bar holds the ticks with start <= ts_event < start + interval. It is made from trades; a symbol
that has none gets bars of its mid-quotes, labelled so. VWAP = sum(price * size) / sum(size). Where
a symbol's time steps back by more than a second its tape has started over, and so do its bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from feed.tape.ring import Arrays, Columns

BAR_COLUMNS: Final = (
    "symbol",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "vwap",
    "trades",
    "basis",
)
"""What bars of any origin have, beside `ts_event`; `symbol` is a code."""


REWIND_NS: Final = 1_000_000_000


def completed(came: Arrays, trades: Columns, quotes: Columns, interval_ns: int) -> Arrays:
    """Give bars that came as such, and those of ticks where none came, by time and symbol."""
    made = resample(trades, quotes, interval_ns)
    if not len(came["symbol"]):
        return made
    keys = [
        bars["ts_event"] // interval_ns * len(trades.names) + bars["symbol"]
        for bars in (came, made)
    ]
    missing = ~np.isin(keys[1], keys[0])
    both = {name: np.concatenate([came[name], values[missing]]) for name, values in made.items()}
    return _ordered(both, trades.names)


def resample(trades: Columns, quotes: Columns, interval_ns: int) -> Arrays:
    """Give the bars of these ticks as `ts_event` and `BAR_COLUMNS`, by time and symbol.

    The last bar of each symbol is of what there is: more of its ticks may be to come.
    """
    silent = quotes.take(~np.isin(quotes["symbol"], trades["symbol"]))
    mids = (silent["bid"] + silent["ask"]) / 2
    parts = [
        _group(trades, trades["price"], interval_ns, trades["size"]),
        _group(silent, mids, interval_ns, None),
    ]
    bars = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _ordered(bars, trades.names)


def _ordered(bars: Arrays, names: Sequence[str]) -> Arrays:
    alphabetical = np.argsort(np.argsort(np.array(names, dtype=object)))
    order = np.lexsort((alphabetical[bars["symbol"]], bars["ts_event"]))
    return {name: values[order] for name, values in bars.items()}


def _group(
    ticks: Columns, prices: NDArray[Any], interval_ns: int, sizes: NDArray[Any] | None
) -> Arrays:
    order = np.argsort(ticks["symbol"], kind="stable")
    codes, times = ticks["symbol"][order], ticks["ts_event"][order]
    passes, buckets = _passes(codes, times), times // interval_ns
    if np.any((np.diff(buckets) < 0) & (np.diff(passes) == 0)):  # some came late
        again = np.lexsort((buckets, passes))
        order, codes, passes, buckets = (own[again] for own in (order, codes, passes, buckets))
    prices = prices[order]
    starts = np.flatnonzero(_changes(buckets) | _changes(passes))
    bars = {"ts_event": buckets[starts] * interval_ns, "symbol": codes[starts]}
    return bars | _prices(prices, starts) | _volumes(prices, sizes, order, starts)


def _passes(codes: NDArray[Any], times: NDArray[Any]) -> NDArray[Any]:
    """Number the passes through a tape, one symbol after the other."""
    begins = _changes(codes)
    begins[1:] |= np.diff(times) < -REWIND_NS
    return np.cumsum(begins)


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    changes = np.ones(len(values), bool)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _prices(prices: NDArray[Any], starts: NDArray[Any]) -> Arrays:
    ends = np.append(starts, len(prices))[1:] - 1
    return {
        "open": prices[starts],
        "high": _reduce(np.maximum, prices, starts),
        "low": _reduce(np.minimum, prices, starts),
        "close": prices[ends],
    }


def _volumes(
    prices: NDArray[Any], sizes: NDArray[Any] | None, order: NDArray[Any], starts: NDArray[Any]
) -> Arrays:
    bars = len(starts)
    if sizes is None:
        nothing, unknown = np.zeros(bars), np.full(bars, np.nan)
        basis = np.full(bars, "quotes", object)
        return {"volume": nothing, "vwap": unknown, "trades": nothing, "basis": basis}
    known = np.nan_to_num(sizes[order])
    volume, notional = (_reduce(np.add, each, starts) for each in (known, prices * known))
    with np.errstate(invalid="ignore"):
        vwap = np.round(notional / volume, 8)
    trades = np.diff(np.append(starts, len(prices))).astype(np.float64)
    basis = np.full(bars, "trades", object)
    return {"volume": volume, "vwap": vwap, "trades": trades, "basis": basis}


def _reduce(operation: np.ufunc, values: NDArray[Any], starts: NDArray[Any]) -> NDArray[Any]:
    return operation.reduceat(values, starts) if len(starts) else values[:0]
