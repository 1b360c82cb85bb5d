from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.tape.ring import COLUMNS, NO_EPOCH, Codes, Ring, columns_of
from feed.ticks import Bar, Quote, Status, Tick, Trade


def quote(seq: int, symbol: str = "A", bid_size: float | None = 100) -> Quote:
    return Quote(symbol, seq, seq * 10, seq + 0.5, bid_size, seq + 1.0, 200, seq * 10 + 1)


@pytest.mark.parametrize(
    "tick",
    [
        quote(7, "B"),
        Trade("B", 7, 70, 1.5, 3, 71),
        Bar("B", 7, "1s", 70, 1.0, 2.0, 0.5, 1.5, 3, 1.25, 2, 71, "quotes"),
        Status("B", 7, 70, "halted", "news", 71),
    ],
    ids=lambda tick: type(tick).__name__,
)
def test_every_field_of_a_tick_has_its_column(tick: Tick) -> None:
    arrays = columns_of(type(tick), [tick], Codes({"A": 0, "B": 1}))
    assert list(arrays) == list(COLUMNS[type(tick)])
    assert set(arrays) == {*type(tick).__struct_fields__, "epoch"}
    assert arrays.pop("symbol")[0] == 1
    assert arrays.pop("epoch").tolist() == [NO_EPOCH]
    assert all(values[0] == getattr(tick, name) for name, values in arrays.items())
    assert all(arrays[name].dtype == COLUMNS[type(tick)][name] for name in arrays)


def test_a_size_that_is_not_known_is_nan() -> None:
    arrays = columns_of(Quote, [quote(1), quote(2, bid_size=None)], Codes())
    assert np.array_equal(arrays["bid_size"], [100, np.nan], equal_nan=True)


@given(
    bursts=st.lists(st.integers(0, 3_000), max_size=12),
    limit=st.one_of(st.none(), st.integers(1, 6_000)),
)
def test_a_ring_holds_the_newest_rows_in_order(bursts: list[int], limit: int | None) -> None:
    ring = Ring(Trade, Codes(), limit)
    sent = 0
    for count in bursts:
        first, sent = sent + 1, sent + count
        ring.extend([Trade("A", seq, seq, 1.0, 1, 0) for seq in range(first, sent + 1)])
        kept = sent if limit is None else min(sent, limit)
        expected = list(range(sent - kept + 1, sent + 1))
        assert len(ring) == kept
        assert ring.columns["seq"].tolist() == expected


def test_what_a_reader_was_given_stays_as_it_is() -> None:
    ring = Ring(Quote, Codes(), 100)
    ring.extend([quote(seq) for seq in range(100)])
    given_before = ring.columns
    for start in range(100, 10_000, 50):
        ring.extend([quote(seq) for seq in range(start, start + 50)])
    assert given_before["seq"].tolist() == list(range(100))
    assert given_before["bid"].tolist() == [seq + 0.5 for seq in range(100)]


def test_no_column_is_copied_and_none_can_be_written_to() -> None:
    ring = Ring(Quote, Codes())
    ring.extend([quote(1)])
    before, after = ring.columns, ring.columns
    assert np.shares_memory(before["bid"], after["bid"])
    with pytest.raises(ValueError, match="read-only"):
        before["bid"][0] = 0


def test_memory_stays_within_half_more_than_the_limit() -> None:
    ring = Ring(Trade, Codes(), 10_000)
    for start in range(0, 100_000, 1_000):
        ring.extend([Trade("A", seq, seq, 1.0, 1, 0) for seq in range(start, start + 1_000)])
    held = ring.columns["price"].base
    assert held is not None
    assert len(held) == 15_000


def test_rings_that_share_symbols_share_codes() -> None:
    symbols = Codes()
    quotes, trades = Ring(Quote, symbols), Ring(Trade, symbols)
    quotes.extend([quote(1, "A"), quote(1, "B")])
    trades.extend([Trade("B", 1, 1, 1.0, 1, 0), Trade("C", 1, 1, 1.0, 1, 0)])
    assert trades.columns["symbol"].tolist() == [1, 2]
    assert quotes.columns.names == ("A", "B", "C")
    assert trades.columns.take(slice(1, 2))["symbol"].tolist() == [2]


def test_each_row_has_the_epoch_it_came_under() -> None:
    ring = Ring(Quote, Codes(), 3)
    ring.extend([quote(1)])
    ring.extend([quote(2)], "e1")
    ring.extend([quote(1), quote(2)], "e2")
    columns = ring.columns
    assert columns.epochs == ("e1", "e2")
    assert columns["epoch"].tolist() == [0, 1, 1]
    assert columns.take(slice(1)).epochs == columns.epochs
