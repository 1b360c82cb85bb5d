from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feed.errors import SettingError
from feed.tape.frames import bars_frame, frame, last_frame, last_rows, moment_ns
from feed.tape.ring import UNKNOWN_NS, Codes, Ring
from feed.ticks import Bar, Quote, Trade

START_NS = 1_767_623_400_000_000_000
START = pd.Timestamp("2026-01-05T14:30:00Z")


class Rings:
    """Two quotes of A, one of B, and a trade of each, of one feed."""

    def __init__(self) -> None:
        symbols = Codes()
        self.quotes, self.trades = Ring(Quote, symbols), Ring(Trade, symbols)
        self.bars = Ring(Bar, symbols)
        self.quotes.extend(
            [
                Quote("A", 1, START_NS, 1.0, 100, 2.0, None, START_NS + 5),
                Quote("B", 1, START_NS + 1, 5.0, 100, 6.0, 100, UNKNOWN_NS),
                Quote("A", 2, START_NS + 2, 1.5, 100, 2.5, 100, START_NS + 9),
            ]
        )
        self.trades.extend(
            [Trade("A", 1, START_NS + 1, 1.75, 10, 0), Trade("C", 1, START_NS + 3, 9.0, 10, 0)]
        )


def test_a_frame_has_the_dtypes_of_its_columns() -> None:
    quotes = frame(Rings().quotes.columns)
    assert quotes.index.name == "ts_event"
    assert quotes.index.dtype == "datetime64[ns, UTC]"
    assert {name: str(quotes[name].dtype) for name in quotes.columns} == {
        "symbol": "category",
        "seq": "int64",
        "bid": "float64",
        "bid_size": "float64",
        "ask": "float64",
        "ask_size": "float64",
        "ts_out": "datetime64[ns, UTC]",
        "epoch": "category",
    }
    assert quotes["symbol"].tolist() == ["A", "B", "A"]
    assert quotes.index[2] == START + pd.Timedelta(2, "ns")
    assert quotes["ts_out"].isna().tolist() == [False, True, False]
    assert quotes["ask_size"].isna().tolist() == [True, False, False]


def test_categories_are_in_alphabetical_order_however_symbols_came() -> None:
    ring = Ring(Trade, Codes())
    ring.extend([Trade(symbol, 1, 1, 1.0, 1, 0) for symbol in "CAB"])
    symbols = frame(ring.columns)["symbol"]
    assert symbols.cat.categories.tolist() == ["A", "B", "C"]
    assert symbols.tolist() == ["C", "A", "B"]


def test_an_empty_frame_has_the_same_columns() -> None:
    rings = Rings()
    empty = frame(Ring(Quote, Codes()).columns)
    assert len(empty) == 0
    assert empty.dtypes.astype(str).equals(frame(rings.quotes.columns).dtypes.astype(str))
    none, no_trades, no_quotes = (Ring(kind, Codes()).columns for kind in (Bar, Trade, Quote))
    bars = bars_frame(rings.bars.columns, rings.trades.columns, rings.quotes.columns, "1s")
    assert (
        bars_frame(none, no_trades, no_quotes, "1s")
        .dtypes.astype(str)
        .equals(bars.dtypes.astype(str))
    )


def test_frames_of_one_feed_can_be_merged_by_symbol() -> None:
    rings = Rings()
    quotes, trades = frame(rings.quotes.columns), frame(rings.trades.columns)
    merged = pd.merge_asof(
        trades, quotes[["symbol", "bid"]], left_index=True, right_index=True, by="symbol"
    )
    assert merged["bid"].tolist()[0] == 1.0
    assert np.isnan(merged["bid"].tolist()[1])


def test_writing_to_a_frame_changes_no_other() -> None:
    rings = Rings()
    mine = frame(rings.quotes.columns)
    mine.loc[mine["bid"] > 1, "bid"] = 0.0
    mine["mid"] = (mine["bid"] + mine["ask"]) / 2
    assert mine["bid"].tolist() == [1.0, 0.0, 0.0]
    assert frame(rings.quotes.columns)["bid"].tolist() == [1.0, 5.0, 1.5]


def test_last_values_have_one_row_for_each_symbol() -> None:
    rings = Rings()
    quotes, trades = (last_rows(own.columns) for own in (rings.quotes, rings.trades))
    last = last_frame(quotes, trades)
    assert last.index.tolist() == ["A", "B", "C"]
    assert (last["bid"]["A"], last["price"]["A"]) == (1.5, 1.75)
    assert last["quote_ts_event"].isna().tolist() == [False, False, True]
    assert last["trade_ts_event"].dtype == "datetime64[ns, UTC]"
    assert last_rows(rings.quotes.columns)["seq"].tolist() == [2, 1]


def test_bars_are_those_that_came_or_else_made_of_ticks() -> None:
    rings = Rings()
    of = rings.bars.columns, rings.trades.columns, rings.quotes.columns
    made = bars_frame(*of, "1min")
    assert made["symbol"].tolist() == ["A", "B", "C"]
    assert made["basis"].tolist() == ["trades", "quotes", "trades"]
    rings.bars.extend([Bar("A", 1, "1m", START_NS, 1.0, 2.0, 0.5, 1.5, 9, 1.25, 3, 0)])
    came = bars_frame(rings.bars.columns, *of[1:], "1min")
    assert came["volume"].tolist() == [9, 0, 10]
    assert came["symbol"].tolist() == ["A", "B", "C"]
    assert list(came.columns) == list(made.columns)
    assert bars_frame(rings.bars.columns, *of[1:], "1s")["volume"].tolist() == [10, 0, 10]


def test_bars_of_other_intervals_do_not_stand_in_for_those_asked_for() -> None:
    rings = Rings()
    second = Bar("A", 1, "1s", START_NS, 1.0, 2.0, 0.5, 1.5, 7, 1.25, 3, 0)
    rings.bars.extend([second, Bar("A", 2, "1m", START_NS, 1.0, 2.0, 0.5, 1.5, 9, 1.25, 3, 0)])
    rings.trades.extend([Trade("A", 2, START_NS + 10**9, 1.75, 11, 0)])
    bars = bars_frame(rings.bars.columns, rings.trades.columns, rings.quotes.columns, "1s")
    assert bars[bars["symbol"] == "A"]["volume"].tolist() == [7, 11]
    assert bars.index.is_monotonic_increasing


@pytest.mark.parametrize("interval", ["", "soon", "0s", "-1s", "1mo", 1, pd.Timedelta("1s")])
def test_what_is_no_interval_is_told(interval: Any) -> None:
    rings = Rings()
    of = rings.bars.columns, rings.trades.columns, rings.quotes.columns
    with pytest.raises(SettingError, match="interval must be such as 1s"):
        bars_frame(*of, interval)


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-05T14:30:00",
        "2026-01-05 15:30:00+01:00",
        START,
        datetime(2026, 1, 5, 14, 30, tzinfo=UTC),
        START_NS,
        np.datetime64("2026-01-05T14:30:00"),
    ],
    ids=str,
)
def test_a_moment_can_be_given_in_any_form(time: object) -> None:
    assert moment_ns(time) == START_NS


@pytest.mark.parametrize("time", ["soon", None, "NaT", object])
def test_what_is_no_moment_is_told(time: object) -> None:
    with pytest.raises(SettingError, match="start must be a time such as"):
        moment_ns(time, "start")
