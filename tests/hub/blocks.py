"""Blocks of quotes and trades for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from feed.hub.bars import SECOND_NS
from feed.tape.block import Part, TickBlock
from feed.ticks import DAY_NS, Quote, Trade

SYMBOLS = np.array(["A", "BTC-USD", "^GSPC", "X" * 40], dtype=object)

prices = st.one_of(
    st.integers(1, 10**7).map(lambda cents: cents / 100),
    st.integers(1, 10**9).map(lambda units: units / 10**8),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [0.0, -0.0, 1e15, 1e16, 1e-3, 1e-5, 0.07, 1.1, 12.0, 2e13 + 0.5, 5e-324, 1e15 - 1]
    ),
)
whole = st.integers(-(2**63), 2**63 - 1) | st.integers(-70_000, 70_000)
times = st.integers(-2 * DAY_NS, 2 * DAY_NS) | st.integers(0, 3 * SECOND_NS)

Row = tuple[int, bool, int, float, float, int]
"""Time, whether it is a trade, code, price or bid, ask, size."""

row = st.tuples(times, st.booleans(), st.integers(0, 3), prices, prices, whole)


def block(made: list[Row], sizes: str, symbols: NDArray[np.object_] = SYMBOLS) -> TickBlock:
    """Make a block of quotes and trades; sizes are whole, fractions, or not there."""
    parts = []
    for is_trade in (False, True):
        places = np.array([i for i, own in enumerate(made) if own[1] is is_trade], np.int64)
        mine = [made[i] for i in places]
        first, second = (np.array([own[at] for own in mine], float) for at in (3, 4))
        size = np.array([own[5] for own in mine], np.int64)
        columns: dict[str, Any] = {"price": first} if is_trade else {"bid": first, "ask": second}
        if sizes != "none":
            name = "size" if is_trade else "bid_size"
            columns[name] = size if sizes == "whole" else size / 3
        codes = np.array([own[2] for own in mine], np.uint16)
        if len(mine):
            rows = None if len(mine) == len(made) else places
            parts.append(Part(Trade if is_trade else Quote, rows, symbols, codes, columns))
    return TickBlock(np.array([own[0] for own in made], np.int64), tuple(parts))
