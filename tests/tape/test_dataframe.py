"""DataFrames, whatever types their columns have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from feed.errors import TapeError
from feed.tape import dataframe
from feed.tape.dataframe import FrameTape, ticks_of
from feed.ticks import Bar, Quote, Status, Trade

AT_NS = 1_767_623_400_000_000_000
TIMES = pd.to_datetime(["2026-01-05T14:30:00Z", "2026-01-05T14:30:01Z"])


def trades(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"time": TIMES, "symbol": ["A", "B"], "price": [1.0, 2.0]} | columns)


def test_columns_are_recognised_as_those_of_a_file() -> None:
    found = list(ticks_of(trades(qty=[3, 4]).rename(columns={"symbol": "Ticker"})))
    assert found == [
        Trade("A", 0, AT_NS, 1.0, 3, 0),
        Trade("B", 0, AT_NS + 1_000_000_000, 2.0, 4, 0),
    ]


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        TIMES.tz_localize(None),
        TIMES.tz_convert("America/New_York"),
        TIMES.as_unit("s"),
        TIMES.strftime("%Y-%m-%dT%H:%M:%SZ"),
        [AT_NS, AT_NS + 1_000_000_000],
        np.array([AT_NS, AT_NS + 1_000_000_000], np.uint64),
        [AT_NS / 1e9, AT_NS / 1e9 + 1],
    ],
)
def test_times_of_every_type_are_understood(times: Any) -> None:
    assert [own.ts_event for own in ticks_of(trades(time=times))] == [AT_NS, AT_NS + 10**9]


def test_a_time_index_is_the_time() -> None:
    indexed = trades().set_index("time")
    assert [own.ts_event for own in ticks_of(indexed)] == [AT_NS, AT_NS + 10**9]
    indexed.index.name = None
    assert [own.ts_event for own in ticks_of(indexed)] == [AT_NS, AT_NS + 10**9]


@pytest.mark.parametrize("empty", [None, np.nan, pd.NA])
def test_an_empty_size_is_not_known(empty: Any) -> None:
    column: Any = pd.array([5, empty], dtype="Int64") if empty is pd.NA else [5, empty]
    assert [own.size for own in ticks_of(trades(size=column)) if isinstance(own, Trade)] == [
        5,
        None,
    ]


def test_every_kind_is_read_and_a_type_column_mixes_them() -> None:
    at = {"ts_event": [AT_NS], "symbol": ["A"]}
    quote = pd.DataFrame(at | {"bid": [1.0], "ask": [2.0]})
    bar = pd.DataFrame(
        at | {"open": [1.0], "high": [2.0], "low": [1.0], "close": [2.0], "interval": ["1m"]}
    )
    status = pd.DataFrame(at | {"status": ["halted"]})
    assert [type(own) for own in ticks_of(quote)] == [Quote]
    assert [type(own) for own in ticks_of(bar)] == [Bar]
    assert [type(own) for own in ticks_of(status)] == [Status]
    mixed = pd.concat([quote.assign(type="quote"), status.assign(type="status")])
    assert [type(own) for own in ticks_of(mixed)] == [Quote, Status]


def test_a_frame_without_symbols_is_of_the_one_that_is_named() -> None:
    bare = trades().drop(columns="symbol")
    assert {own.symbol for own in ticks_of(bare, symbol="X")} == {"X"}
    with pytest.raises(TapeError, match="the frame: has no symbol column"):
        list(ticks_of(bare))


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"price": [1.0, -2.0]}, "the frame, row 2: price must be a number above 0, was -2.0"),
        ({"price": [1.0, None]}, "row 2: price is missing"),
        ({"symbol": ["A", "B C"]}, "row 2: symbol must be"),
        ({"symbol": ["A", None]}, "row 2: symbol is missing"),
        ({"time": TIMES[::-1]}, "row 2: time goes backwards"),
        ({"time": [TIMES[0], pd.NaT]}, "row 2: time is missing"),
    ],
)
def test_a_bad_row_is_told_before_any_tick_is_given(columns: Any, text: str) -> None:
    ticks = ticks_of(trades(**columns))
    with pytest.raises(TapeError) as raised:
        next(ticks)
    assert text in str(raised.value)


def test_a_frame_without_rows_has_no_tick() -> None:
    with pytest.raises(TapeError, match="no tick in it"):
        list(ticks_of(trades().iloc[:0]))


def test_long_frames_become_ticks_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataframe, "PART_ROWS", 1)
    assert [own.symbol for own in ticks_of(trades())] == ["A", "B"]


def test_it_knows_its_symbols() -> None:
    assert FrameTape(trades()).distinct("symbol") == (frozenset("AB"), 2)
