from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from feed.hub.bars import BarBuilder
from feed.tape.resample import resample
from feed.tape.ring import Codes, Ring
from feed.ticks import Bar, Quote, Tick, Trade

SECOND_NS = 1_000_000_000
START_NS = 1_767_623_400 * SECOND_NS


def bars_of(ticks: list[Any], interval_ns: int = SECOND_NS) -> list[dict[str, Any]]:
    """Give the bars of these ticks as dicts, the symbol by its name."""
    symbols = Codes()
    quotes, trades = Ring(Quote, symbols), Ring(Trade, symbols)
    quotes.extend([tick for tick in ticks if type(tick) is Quote])
    trades.extend([tick for tick in ticks if type(tick) is Trade])
    arrays = resample(trades.columns, quotes.columns, interval_ns)
    names = list(symbols)
    rows = zip(*(values.tolist() for values in arrays.values()), strict=True)
    found = [dict(zip(arrays, row, strict=True)) for row in rows]
    return [{**bar, "symbol": names[bar["symbol"]]} for bar in found]


def trade(symbol: str, after_ns: int, price: float, size: float | None = 100) -> Trade:
    return Trade(symbol, 0, START_NS + after_ns, price, size, 0)


def quote(symbol: str, after_ns: int, bid: float) -> Quote:
    return Quote(symbol, 0, START_NS + after_ns, bid, 1, bid + 1, 1, 0)


def test_a_bar_is_of_the_trades_from_its_start_to_before_its_end() -> None:
    ticks = [
        trade("A", 0, 10.0),
        trade("A", 5, 12.0, 300),
        trade("A", SECOND_NS - 1, 9.0, None),
        trade("A", SECOND_NS, 11.0),
    ]
    first, second = bars_of(ticks)
    assert first == {
        "ts_event": START_NS,
        "symbol": "A",
        "open": 10.0,
        "high": 12.0,
        "low": 9.0,
        "close": 9.0,
        "volume": 400.0,
        "vwap": 11.5,
        "trades": 3.0,
        "basis": "trades",
    }
    assert (second["ts_event"], second["open"], second["trades"]) == (START_NS + SECOND_NS, 11, 1)


def test_a_symbol_without_trades_has_bars_of_mid_quotes() -> None:
    ticks = [trade("A", 0, 10.0), quote("A", 1, 99.0), quote("B", 1, 5.0), quote("B", 2, 7.0)]
    of_a, of_b = bars_of(ticks)
    assert (of_a["close"], of_a["basis"]) == (10.0, "trades")
    assert (of_b["open"], of_b["close"], of_b["basis"]) == (5.5, 7.5, "quotes")
    assert (of_b["volume"], of_b["trades"]) == (0, 0)
    assert math.isnan(of_b["vwap"])


def test_bars_come_by_time_and_then_by_symbol() -> None:
    ticks = [trade(symbol, after, 1.0) for symbol in "CAB" for after in (SECOND_NS, 0)]
    found = [(bar["ts_event"] - START_NS, bar["symbol"]) for bar in bars_of(ticks)]
    assert found == [(after, symbol) for after in (0, SECOND_NS) for symbol in "ABC"]


def test_a_tape_that_starts_over_makes_bars_of_its_own() -> None:
    ticks = [trade("A", 0, 1.0), trade("A", 5 * SECOND_NS, 2.0), trade("A", 0, 3.0)]
    late = trade("A", 4 * SECOND_NS + 1, 4.0)
    found = [(bar["ts_event"] - START_NS, bar["close"]) for bar in bars_of([*ticks[:2], late])]
    assert found == [(0, 1.0), (4 * SECOND_NS, 4.0), (5 * SECOND_NS, 2.0)]
    found = [(bar["ts_event"] - START_NS, bar["close"]) for bar in bars_of(ticks)]
    assert found == [(0, 1.0), (0, 3.0), (5 * SECOND_NS, 2.0)]


def test_no_ticks_make_no_bars() -> None:
    assert bars_of([]) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from("AB"),
            st.integers(0, 10 * SECOND_NS),
            st.integers(1, 10_000).map(lambda cents: cents / 100),
            st.integers(0, 500),
        ),
        max_size=60,
    )
)
def test_they_are_the_bars_of_the_feed_itself(rows: list[tuple[str, int, float, int]]) -> None:
    ticks: list[Tick] = [trade(*row) for row in sorted(rows, key=lambda row: row[1])]
    builder = BarBuilder()
    end = trade("Z", 3600 * SECOND_NS, 1.0)
    told = [tick for tick in builder.extend([*ticks, end]) if type(tick) is Bar]
    seconds = sorted((b for b in told if b.interval == "1s"), key=lambda b: (b.ts_event, b.symbol))
    found = bars_of(ticks)
    assert [(bar["ts_event"], bar["symbol"]) for bar in found] == [
        (bar.ts_event, bar.symbol) for bar in seconds
    ]
    for bar, expected in zip(found, seconds, strict=True):
        same = ("open", "high", "low", "close", "volume", "trades", "basis")
        assert {name: bar[name] for name in same} == {n: getattr(expected, n) for n in same}
        vwap = np.nan if expected.vwap is None else expected.vwap
        assert np.isclose(bar["vwap"], vwap, rtol=0, atol=2e-8, equal_nan=True)
