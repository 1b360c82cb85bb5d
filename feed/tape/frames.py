"""Columns of ticks as DataFrames, the same ones whether they were recorded or came a moment ago."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from feed.errors import SettingError
from feed.tape.block import VALUE_COLUMNS
from feed.tape.intervals import length_ns, same_interval
from feed.tape.resample import BAR_COLUMNS, completed
from feed.tape.ring import TEXTS, Columns

COPIES_ON_WRITE: Final = int(pd.__version__.partition(".")[0]) >= 3


def frame(columns: Columns) -> pd.DataFrame:
    """Give ticks of one kind as a DataFrame, in the order they came.

    The index is `ts_event` (UTC, nanoseconds), `symbol` and `epoch` are categorical; `ts_out` and
    `epoch` are missing where nobody published the tick. Frames of one feed or tape share their
    categories, so that they can be merged `by="symbol"`. A million rows take milliseconds, as no
    column is copied. Writing to the frame copies what is written to first.
    """
    names = [name for name in columns.arrays if name != "ts_event"]
    return _frame(columns, {name: columns[name] for name in names})


def bars_frame(bars: Columns, trades: Columns, quotes: Columns, interval: str) -> pd.DataFrame:
    """Give bars of an interval by time and symbol: those that came, the others made from ticks.

    Raises:
        SettingError: it is no interval.
    """
    interval_ns = length_ns(str(interval))  # of a Timedelta, too, it says what is allowed
    labels = [own for own in set(bars["interval"]) if same_interval(own, str(interval))]
    if interval_ns is None and not labels:
        raise SettingError("interval", f"must be such as 1s, 5min, 1h or 1d, was {interval!r}")
    came = bars.take(np.isin(bars["interval"], labels)).arrays
    found = came if interval_ns is None else completed(came, trades, quotes, interval_ns)
    columns = Columns(bars.kind, quotes.names, found)
    return _frame(columns, {name: found[name] for name in BAR_COLUMNS})


def last_frame(quotes: Columns, trades: Columns) -> pd.DataFrame:
    """Give the table of last values out of at most one quote and one trade of each symbol."""
    sides = [_side(quotes, "quote"), _side(trades, "trade")]
    return sides[0].join(sides[1], how="outer").sort_index()


def last_rows(columns: Columns) -> Columns:
    """Give the last row of each symbol."""
    newest = np.full(len(columns.names), -1)
    newest[columns["symbol"]] = np.arange(len(columns))
    return columns.take(newest[newest >= 0])


def moment_ns(time: object, name: str = "time") -> int:
    """Read a moment: a text, a datetime or a Timestamp (UTC where it has no zone), or nanoseconds.

    Raises:
        SettingError: it is none.
    """
    try:
        stamp = pd.Timestamp(time)  # type: ignore[arg-type]
        if not pd.isna(stamp):
            stamp = stamp.tz_localize("UTC") if stamp.tz is None else stamp
            return int(stamp.as_unit("ns").value)
    except (ValueError, TypeError):
        pass
    allowed = "a time such as 2026-01-05T14:30:00 (UTC) or integer nanoseconds since 1970"
    raise SettingError(name, f"must be {allowed}, was {time!r}")


def joined_frame(parts: Sequence[Columns], kinds: Sequence[type]) -> pd.DataFrame:
    """Give ticks of several kinds as one DataFrame, whose column `type` tells them apart.

    Args:
        parts: the columns of each kind, which may have more rows than are wanted.
        kinds: the kind of each row wanted, in order.
    """
    order = np.array(kinds, dtype=object)
    frames, places = [], []
    for columns in parts:
        places.append(np.flatnonzero(order == columns.kind))
        own = frame(columns.take(slice(len(places[-1]))))
        own.insert(0, "type", columns.kind.__struct_config__.tag)  # type: ignore[attr-defined]
        frames.append(own)
    return pd.concat(frames).iloc[np.argsort(np.concatenate(places))]


def times_of(ns: NDArray[Any]) -> pd.DatetimeIndex:
    """Give nanoseconds as times in UTC."""
    return pd.DatetimeIndex(ns, dtype="datetime64[ns, UTC]", copy=False)


def _frame(columns: Columns, arrays: dict[str, NDArray[Any]]) -> pd.DataFrame:
    values: dict[str, Any] = {
        name: pd.array(array, "str") if name in TEXTS else array for name, array in arrays.items()
    }
    values["symbol"] = _categorical(arrays["symbol"], columns.names)
    if "ts_out" in arrays:
        values["ts_out"] = times_of(arrays["ts_out"])
    if "epoch" in arrays:
        values["epoch"] = _coded(arrays["epoch"], pd.Index(columns.epochs, dtype="str"))
    index = times_of(columns["ts_event"]).rename("ts_event")
    return _on_write_copied(pd.DataFrame(values, index=index, copy=False))


def _categorical(codes: NDArray[Any], names: Sequence[str]) -> pd.Categorical:
    """Give symbols as categories in alphabetical order, so that groups come in it, too."""
    order = np.argsort(np.array(names, dtype=object))
    ranks = np.empty(len(names), np.min_scalar_type(-max(1, len(names))))  # as pandas would have it
    ranks[order] = np.arange(len(names))
    categories = pd.Index([names[place] for place in order], dtype="str")
    placed = ranks.take(codes, mode="clip") if len(names) else codes
    return _coded(placed, categories)


def _coded(codes: NDArray[Any], categories: Any) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories, validate=False)


def _on_write_copied(shared: pd.DataFrame) -> pd.DataFrame:
    """Give the frame such that pandas copies a column before it writes to it.

    pandas does so for columns that another frame has as well, as long as that frame lives; so it is
    hung on the one that is given. pandas 2 does not do so yet: there it is a copy from the start.
    """
    if not COPIES_ON_WRITE:
        return shared.copy()
    given = shared.copy(deep=False)
    object.__setattr__(given, "_shared", shared)
    return given


def _side(columns: Columns, word: str) -> pd.DataFrame:
    values: dict[str, Any] = {name: columns[name] for name in VALUE_COLUMNS[columns.kind]}
    values[f"{word}_ts_event"] = times_of(columns["ts_event"])
    symbols = np.array(columns.names, dtype=object)[columns["symbol"]]
    return pd.DataFrame(values, index=pd.Index(symbols, name="symbol", dtype="str"))
