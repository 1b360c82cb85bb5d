from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feed.client.held import Held
from feed.client.sheet import FIELDS, Sheet
from feed.protocol.messages import Snapshot, Statistics
from feed.ticks import DAY_NS, Quote, Trade

START_NS = 20_000 * DAY_NS + 5_000_000_000


class Room:
    """A sheet, and what it is made of."""

    def __init__(self, max_ticks: int = 1_000) -> None:
        self.held = Held(max_ticks)
        self.snapshots: dict[str, Snapshot] = {}
        self.sheet = Sheet(self.held, lambda: self.snapshots)
        self.seq = 0

    def trade(self, symbol: str, price: float, size: float | None = 10, after_ns: int = 0) -> Trade:
        self.seq += 1
        return Trade(symbol, self.seq, START_NS + after_ns, price, size, 0)

    def row(self, symbol: str) -> dict[str, Any]:
        values = self.sheet.values[self.sheet.symbols.index(symbol)].tolist()
        return dict(zip(FIELDS, values, strict=True))


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol, 1, START_NS, bid, 1, bid + 1, 1, 0)


def snapshot(symbol: str, seq: int, previous_close: float | None = 90.0) -> Snapshot:
    session = Statistics(95.0, 101.0, 94.0, 100.0, previous_close, 500, 99.0)
    trade = Trade(symbol, seq, START_NS, 100.0, 10, 0)
    return Snapshot(symbol, {"trades": seq}, quote(symbol, 99.0), trade, session=session)


def test_each_symbol_has_its_newest_figures() -> None:
    room = Room()
    room.held.take([quote("A", 1.0), room.trade("A", 5.0), quote("B", 7.0), quote("A", 2.0)])
    assert room.sheet.update()
    room.held.take([room.trade("A", 6.0, None), room.trade("A", 7.0, 3)])
    assert room.sheet.update()
    assert room.row("A") == {"bid": 2, "ask": 3, "last": 7, "reference": 5, "volume": 13}
    assert (room.row("B")["bid"], room.row("B")["volume"]) == (7, 0)
    assert np.isnan(room.row("B")["last"])


def test_nothing_new_is_nothing_to_show() -> None:
    room = Room()
    assert not room.sheet.update()
    room.held.take([quote("A", 1.0)])
    assert room.sheet.update()
    assert not room.sheet.update()


def test_a_snapshot_is_where_the_session_begins() -> None:
    room = Room()
    room.seq = 76
    before, after = room.trade("A", 100.0), room.trade("A", 103.0, 7)
    room.snapshots["A"] = snapshot("A", before.seq)
    room.snapshots["B"] = snapshot("B", 5, previous_close=None)
    room.held.take([before, after])
    assert room.sheet.update()
    assert room.row("A") == {"bid": 99, "ask": 100, "last": 103, "reference": 90, "volume": 507}
    assert room.row("B") == {"bid": 99, "ask": 100, "last": 100, "reference": 95, "volume": 500}
    assert not room.sheet.update()
    room.snapshots["A"] = snapshot("A", 80)
    assert room.sheet.update()
    assert room.row("A")["volume"] == 500


@pytest.mark.parametrize("after_ns", [DAY_NS, -2_000_000_000])
def test_another_day_or_a_tape_that_started_over_is_a_new_session(after_ns: int) -> None:
    room = Room()
    room.held.take([room.trade("A", 5.0), room.trade("A", 6.0), room.trade("B", 1.0)])
    room.sheet.update()
    room.held.take([room.trade("A", 8.0, 2, after_ns)])
    room.sheet.update()
    assert (room.row("A")["reference"], room.row("A")["volume"]) == (6, 2)
    assert room.row("B")["volume"] == 10


def test_more_ticks_than_are_held_do_no_harm() -> None:
    room = Room(max_ticks=10)
    room.held.take([room.trade("A", float(price)) for price in range(1, 101)])
    room.sheet.update()
    assert room.row("A")["last"] == 100
    assert room.row("A")["volume"] == 100  # of the ten that are left


def test_the_trail_is_of_trades_or_else_of_mid_quotes() -> None:
    room = Room()
    room.held.take([quote("A", 1.0), room.trade("A", 5.0), quote("B", 7.0), quote("B", 8.0)])
    room.sheet.update()
    assert room.sheet.trail("A").tolist() == [[START_NS / 1e9], [5.0]]
    assert room.sheet.trail("B").tolist() == [[START_NS / 1e9] * 2, [7.5, 8.5]]
    room.held.take([room.trade("A", float(price)) for price in range(900)])
    assert room.sheet.trail("A").shape == (2, 500)
