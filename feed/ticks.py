"""The four market-data records that travel through the feed.

A tick is one record of one stream, (channel, symbol). Field order is wire order and
constructor order, so columns can be zipped into ticks without a Python frame per tick:
`map(Quote, symbols, repeat(0), ts_events, bids, bid_sizes, asks, ask_sizes, repeat(0))`.

Ticks are msgspec structs: building one costs a third of building the same dict, encoding one
half as much, and `gc=False` keeps millions of them out of the garbage collector's sight.
`seq` and `ts_out` are 0 until the tickerplant stamps them.

Units: prices in the symbol's quote currency; sizes in units of the instrument, `None` where the
source does not tell; timestamps in integer nanoseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

Size = int | float | None
"""A quantity; crypto venues trade fractions, so it is not always whole."""

CHANNELS: Final = ("quotes", "trades", "bars", "status")
"""Every channel, in the order snapshots and acks list them."""


class Quote(msgspec.Struct, tag_field="type", tag="quote", gc=False):
    """Top of book: the best bid and ask. State: a newer quote replaces this one."""

    symbol: str
    seq: int
    ts_event: int
    bid: float
    bid_size: Size
    ask: float
    ask_size: Size
    ts_out: int


class Trade(msgspec.Struct, tag_field="type", tag="trade", gc=False):
    """One execution. An event: each one counts."""

    symbol: str
    seq: int
    ts_event: int
    price: float
    size: Size
    ts_out: int


class Bar(msgspec.Struct, tag_field="type", tag="bar", gc=False, omit_defaults=True):
    """Open, high, low and close over one interval; `ts_event` is the interval's start.

    `basis` says what was aggregated: `trades`, or `quotes` (mid-prices, where a symbol has no
    trades; then `volume` is 0 and `vwap` is None). `basis` is on the wire only when it is `quotes`.
    """

    symbol: str
    seq: int
    interval: str
    ts_event: int
    open: float
    high: float
    low: float
    close: float
    volume: Size
    vwap: float | None
    trades: int | None
    ts_out: int
    basis: str = "trades"


class Status(msgspec.Struct, tag_field="type", tag="status", gc=False):
    """A change of trading status, such as `halted` or `trading`, with the venue's reason."""

    symbol: str
    seq: int
    ts_event: int
    status: str
    reason: str | None
    ts_out: int


Tick = Quote | Trade | Bar | Status

CHANNEL_OF: Final[dict[type, str]] = {
    Quote: "quotes",
    Trade: "trades",
    Bar: "bars",
    Status: "status",
}
"""The channel that carries each kind of tick."""

EVENT_CHANNELS: Final = frozenset({"trades"})
"""Channels whose ticks are events; all others are state and may be conflated."""

DAY_NS: Final = 86_400_000_000_000
REWIND_NS: Final = 1_000_000_000
"""Trades that step back by more than this begin a new session: the tape has started over."""


def is_new_session(before_ns: Any, now_ns: Any) -> Any:
    """Tell whether a trade begins another trading session, a UTC day, than the trade before it.

    Args:
        before_ns: `ts_event` of the trade before, or an array of them.
        now_ns: of the trade, likewise; then the answer is an array, too.
    """
    return (now_ns // DAY_NS != before_ns // DAY_NS) | (now_ns < before_ns - REWIND_NS)
