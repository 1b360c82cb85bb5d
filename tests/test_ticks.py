from __future__ import annotations

import gc
from itertools import repeat
from typing import Any, get_args

import numpy as np
import pytest

from feed.protocol.codec import encode
from feed.ticks import (
    CHANNEL_OF,
    CHANNELS,
    DAY_NS,
    EVENT_CHANNELS,
    REWIND_NS,
    Bar,
    Quote,
    Status,
    Tick,
    Trade,
    is_new_session,
)

EXAMPLES: list[tuple[Tick, bytes]] = [
    (
        Quote("AAPL", 1042, 5, 187.21, 300, 187.23, None, 6),
        b'{"type":"quote","symbol":"AAPL","seq":1042,"ts_event":5,"bid":187.21,"bid_size":300,'
        b'"ask":187.23,"ask_size":null,"ts_out":6}',
    ),
    (
        Trade("BTC/USDT", 78, 5, 0.5, 0.25, 6),
        b'{"type":"trade","symbol":"BTC/USDT","seq":78,"ts_event":5,"price":0.5,"size":0.25,'
        b'"ts_out":6}',
    ),
    (
        Bar("A", 9, "1m", 5, 1.0, 2.0, 0.5, 1.5, 7, 1.25, 3, 6),
        b'{"type":"bar","symbol":"A","seq":9,"interval":"1m","ts_event":5,"open":1.0,"high":2.0,'
        b'"low":0.5,"close":1.5,"volume":7,"vwap":1.25,"trades":3,"ts_out":6}',
    ),
    (
        Status("A", 2, 5, "halted", "news", 6),
        b'{"type":"status","symbol":"A","seq":2,"ts_event":5,"status":"halted","reason":"news",'
        b'"ts_out":6}',
    ),
]


@pytest.mark.parametrize(("tick", "wire"), EXAMPLES, ids=lambda own: type(own).__name__)
def test_field_order_is_wire_order(tick: Tick, wire: bytes) -> None:
    assert encode(tick) == wire


def test_a_bar_says_so_when_it_is_of_quotes() -> None:
    bar = Bar("A", 9, "1s", 5, 1.0, 2.0, 0.5, 1.5, 0, None, 0, 6, "quotes")
    assert encode(bar).endswith(b',"basis":"quotes"}')


def test_columns_zip_into_ticks() -> None:
    zero = repeat(0)
    made = list(map(Trade, ["A", "B"], zero, [1, 2], [1.5, 2.5], [10, None], zero))
    assert made == [Trade("A", 0, 1, 1.5, 10, 0), Trade("B", 0, 2, 2.5, None, 0)]


def test_every_kind_of_tick_has_its_channel() -> None:
    assert set(CHANNEL_OF) == set(get_args(Tick))
    assert tuple(CHANNEL_OF.values()) == CHANNELS
    assert set(CHANNELS) > EVENT_CHANNELS


@pytest.mark.parametrize("tick", [tick for tick, _ in EXAMPLES], ids=lambda own: type(own).__name__)
def test_the_garbage_collector_does_not_see_ticks(tick: Any) -> None:
    assert not gc.is_tracked(tick)


def test_a_session_is_a_utc_day_and_ends_where_the_tape_starts_over() -> None:
    noon = 20_000 * DAY_NS + DAY_NS // 2
    cases = {noon: False, noon - REWIND_NS: False, noon - REWIND_NS - 1: True, noon + DAY_NS: True}
    assert [is_new_session(noon, now) for now in cases] == [*cases.values()]
    assert is_new_session(np.full(4, noon), np.array([*cases])).tolist() == [*cases.values()]
