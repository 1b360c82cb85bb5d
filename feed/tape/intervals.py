"""Intervals of bars: how long they are, and which one bars have that do not say it."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from feed.tape.block import Times
from feed.tape.columns import Indexes

_NS_PER_S: Final = 1_000_000_000
_DAY_S: Final = 86_400
_UNITS: Final = ((_DAY_S, "d"), (3_600, "h"), (60, "m"), (1, "s"))

_INTERVAL: Final = re.compile(r"([1-9]\d{0,8}) ?(ms|s|min|m|h|d)", re.IGNORECASE)
_UNIT_NS: Final = {
    "ms": 1_000_000,
    "s": _NS_PER_S,
    "min": 60 * _NS_PER_S,
    "m": 60 * _NS_PER_S,
    "h": 3_600 * _NS_PER_S,
    "d": _DAY_S * _NS_PER_S,
}


def length_ns(interval: str) -> int | None:
    """Give the length of an interval such as 1s, 5m, 5min, 1h or 1d.

    None when it has no fixed one, as 1mo, or is none at all. A capital M is a month elsewhere, and
    nothing here.
    """
    found = _INTERVAL.fullmatch(interval)
    if found is None or found[2] == "M":
        return None
    return int(found[1]) * _UNIT_NS[found[2].lower()]


def same_interval(one: str, other: str) -> bool:
    """Tell whether two names, such as 1m and 1min, mean the same interval."""
    return one == other or (length_ns(one) is not None and length_ns(one) == length_ns(other))


def infer_interval(times: Times, codes: Indexes, *, dates: bool) -> str | None:
    """Name the interval of bars by the smallest step between two of the same symbol.

    Args:
        times: starts of the bars, ascending.
        codes: which symbol each is of.
        dates: whether the starts are whole days; then no step, as of one bar alone, means 1d.

    Returns:
        Such as 1s, 5m, 1h or 1d; 1w and 1mo for dates that far apart; None when it cannot be told.
    """
    step_ns = _smallest_step(times, codes)
    if dates:
        return _of_dates(step_ns)
    if step_ns is None or step_ns % _NS_PER_S:
        return None
    step_s = step_ns // _NS_PER_S
    return next(f"{step_s // size}{unit}" for size, unit in _UNITS if step_s % size == 0)


def _of_dates(step_ns: int | None) -> str:
    days = 1 if step_ns is None else step_ns // (_DAY_S * _NS_PER_S)
    return "1mo" if days >= 27 else "1w" if days >= 6 else "1d"


def _smallest_step(times: Times, codes: Indexes) -> int | None:
    order = np.lexsort((times, codes))
    same = codes[order][1:] == codes[order][:-1]
    steps = np.diff(times[order])[same]
    steps = steps[steps > 0]
    return int(steps.min()) if len(steps) else None
