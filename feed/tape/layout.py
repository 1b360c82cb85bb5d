"""Recognise what a file holds, and under which names, from its header.

The spellings are those of the vendors' own documentation: Databento (`ts_event`, `bid_px_00`),
Tardis (`local_timestamp`, `bids[0].price`), Binance (`best_bid_qty`, `transact_time`), Polygon
(`sip_timestamp`, `window_start`), Alpaca (`bp`, `vw`), Dukascopy (`Gmt time`, `AskVolume`), Yahoo.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from feed.errors import TapeError
from feed.tape.block import VALUE_COLUMNS
from feed.tape.options import CANONICAL
from feed.ticks import Bar, Quote, Status, Trade

KIND_OF: Final[dict[str, type]] = {"quote": Quote, "trade": Trade, "bar": Bar, "status": Status}
"""The wire's word for each kind, as a `type` column holds it."""

REQUIRED: Final[dict[type, tuple[str, ...]]] = {
    Quote: ("bid", "ask"),
    Bar: ("open", "high", "low", "close"),
    Trade: ("price",),
    Status: ("status",),
}
"""What makes a file one of this kind, tried in this order."""

SPELLINGS: Final[dict[str, str]] = {
    "ts_event": "ts_event timestamp ts datetime sip_timestamp transact_time transaction_time"
    " event_time open_time window_start gmt_time utc_time timestamp_utc local_timestamp time date"
    " t ts_recv __index_level_0__",
    "symbol": "symbol ticker instrument sym pair currency_pair raw_symbol",
    "type": "type",
    "bid": "bid bid_price bid_px bid_px_00 best_bid best_bid_price bids[0].price bp",
    "bid_size": "bid_size bid_qty bid_quantity bid_volume bid_amount bid_sz bid_sz_00"
    " best_bid_size best_bid_qty bids[0].amount bs",
    "ask": "ask ask_price ask_px ask_px_00 best_ask best_ask_price asks[0].price ap"
    " offer offer_price ofr",
    "ask_size": "ask_size ask_qty ask_quantity ask_volume ask_amount ask_sz ask_sz_00"
    " best_ask_size best_ask_qty asks[0].amount as offer_size ofr_size",
    "price": "price px last last_price trade_price p",
    "size": "size qty quantity amount volume sz last_size last_qty trade_size vol",
    "interval": "interval timeframe resolution bar_size",
    "open": "open open_price o",
    "high": "high high_price h",
    "low": "low low_price l",
    "close": "close close_price c",
    "volume": "volume vol v",
    "vwap": "vwap vw",
    "trades": "trades trade_count count number_of_trades num_trades transactions n",
    "status": "status trading_status",
    "reason": "reason status_reason halt_reason",
}
"""Canonical column -> the names it goes by, best first; case and punctuation do not matter."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps what.

    Attributes:
        kind: of every row; None when a column `type` tells it row by row.
        time: one column, or a date and a time of day.
        symbol: the column, or None when the file has none.
        values: value column -> the file's column.
        type: the column that tells the kind, when `kind` is None.
        fixed_point: whether whole-numbered prices count billionths, as in Databento's raw files.
    """

    kind: type | None
    time: tuple[str, ...]
    symbol: str | None
    values: dict[str, str]
    type: str | None = None
    fixed_point: bool = False

    @property
    def words(self) -> frozenset[str]:
        """Name the file's columns that hold text with few distinct values."""
        wordy = (self.values.get(name) for name in ("interval", "status", "reason"))
        return frozenset(name for name in (self.symbol, self.type, *wordy) if name is not None)

    @property
    def wanted(self) -> list[str]:
        """Name every column of the file that has to be read."""
        return sorted({*self.time, *self.values.values(), *self.words})


def recognise(path: Path, columns: Sequence[str], mapping: Mapping[str, str]) -> Layout:
    """Find the layout of a file with these columns; the mapping comes before any recognition.

    Raises:
        TapeError: when no time, or no kind of tick, can be found in them.
    """
    found = _find_columns(columns, mapping)
    time = _time_columns(columns, found, mapping)
    if not time:
        raise TapeError(path, _no_column("the time", "ts_event", columns))
    kind = next((k for k, need in REQUIRED.items() if all(n in found for n in need)), None)
    if kind is None:
        raise TapeError(path, _no_kind(found, columns))
    return Layout(
        kind,
        time,
        found.get("symbol"),
        _values(VALUE_COLUMNS[kind], found),
        fixed_point={"rtype", "publisher_id"} <= set(columns),
    )


def recognise_mixed(
    path: Path, columns: Sequence[str], mapping: Mapping[str, str]
) -> Layout | None:
    """Find the layout of a file whose `type` column tells each row's kind, if it may be one."""
    found = _find_columns(columns, mapping)
    time = _time_columns(columns, found, mapping)
    if "type" not in found or not time:
        return None
    names = [name for of_kind in VALUE_COLUMNS.values() for name in of_kind]
    return Layout(None, time, found.get("symbol"), _values(names, found), type=found["type"])


def _find_columns(columns: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    by_spelling = {_plain(column): column for column in reversed(columns)}
    found: dict[str, str] = {}
    for name in CANONICAL:
        mapped = mapping.get(name)
        if mapped is not None and mapped in columns:
            found[name] = mapped
        elif name in columns and name not in mapping.values():
            found[name] = name
        else:
            spelt = (by_spelling.get(_plain(word)) for word in SPELLINGS[name].split())
            column = next((c for c in spelt if c and c not in mapping.values()), None)
            if column is not None:
                found[name] = column
    return found


def _time_columns(
    columns: Sequence[str], found: Mapping[str, str], mapping: Mapping[str, str]
) -> tuple[str, ...]:
    column = found.get("ts_event")
    if column is None:
        return ()
    if mapping.get("ts_event") != column and _plain(column) in ("date", "time"):
        by_spelling = {_plain(name): name for name in columns}
        if "date" in by_spelling and "time" in by_spelling:
            return by_spelling["date"], by_spelling["time"]
    return (column,)


def _values(names: Sequence[str], found: Mapping[str, str]) -> dict[str, str]:
    return {name: found[name] for name in names if name in found}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _no_kind(found: Mapping[str, str], columns: Sequence[str]) -> str:
    for need in REQUIRED.values():
        lacking = [name for name in need if name not in found]
        if len(lacking) < len(need):
            return _no_column(f"the column {lacking[0]}", lacking[0], columns)
    return (
        "has no columns bid and ask, price, open to close, or status"
        f" ({_listed(columns)}); name them with --map, such as --map bid=COLUMN --map ask=COLUMN"
    )


def _no_column(what: str, name: str, columns: Sequence[str]) -> str:
    return f"cannot tell {what} ({_listed(columns)}); name it with --map {name}=COLUMN"


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:20])
    return f"its columns are {shown}" + (", …" if len(columns) > 20 else "")
