"""Ticks as publishers send them: without what only the feed may give, and within bounds.

A field that is unknown is ignored, and `seq`, `epoch` and `ts_out` are unknown here: nobody outside
can set them. The bounds keep every figure made from ticks (mid-prices, volumes, VWAPs) finite, so
that no price on the wire is ever null. Sizes may be fractions, as crypto venues trade them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from feed import codes
from feed.errors import TickError
from feed.protocol.describe import describe, explain

MOST: Final = 1e15
"""The largest price or size: their product, and sums of it, stay far within a double."""

Price = Annotated[float, msgspec.Meta(gt=0, le=MOST)]
Quantity = (
    Annotated[int, msgspec.Meta(ge=0, le=int(MOST))]
    | Annotated[float, msgspec.Meta(ge=0, le=MOST)]
    | None
)


class NewTick(msgspec.Struct, tag_field="type", omit_defaults=True, gc=False):
    """What all kinds have; without `ts_event` it happened when it came."""

    symbol: str


class NewQuote(NewTick, tag="quote", gc=False):
    """A quote without its stamps."""

    bid: Price
    ask: Price
    bid_size: Quantity = None
    ask_size: Quantity = None
    ts_event: int | None = None


class NewTrade(NewTick, tag="trade", gc=False):
    """A trade without its stamps."""

    price: Price
    size: Quantity = None
    ts_event: int | None = None


class NewBar(NewTick, tag="bar", gc=False):
    """A bar without its stamps."""

    interval: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity = None
    vwap: Price | None = None
    trades: Annotated[int, msgspec.Meta(ge=0, le=int(MOST))] | None = None
    ts_event: int | None = None
    basis: Literal["trades", "quotes"] = "trades"


class NewStatus(NewTick, tag="status", gc=False):
    """A status without its stamps."""

    status: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    reason: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    ts_event: int | None = None


AnyNewTick = NewQuote | NewTrade | NewBar | NewStatus

_PRICE: Final = f"a number above 0 and at most {MOST:g}"
_SIZE: Final = f"a number from 0 to {MOST:g}, or null"
ALLOWED: Final = {
    "type": "'quote', 'trade', 'bar' or 'status'",
    "symbol": "a string",
    "ts_event": "integer nanoseconds since 1970, or absent for now",
    **dict.fromkeys(("bid", "ask", "price", "open", "high", "low", "close"), _PRICE),
    **dict.fromkeys(("bid_size", "ask_size", "size", "volume"), _SIZE),
    "vwap": f"{_PRICE}, or null",
    "trades": f"an integer from 0 to {MOST:g}, or null",
    "interval": "a string of 1 to 8 characters",
    "basis": "'trades' or 'quotes'",
    "status": "a string of 1 to 32 characters",
    "reason": "a string of at most 200 characters, or null",
}


def read_tick(value: Any) -> AnyNewTick | TickError:
    """Read one tick of JSON that was parsed; gives what is wrong with it instead of raising it."""
    if not isinstance(value, dict):
        return TickError(codes.BAD_TICK, f"a tick must be an object, was {describe(value)}")
    try:
        read: AnyNewTick = msgspec.convert(value, AnyNewTick)
    except msgspec.ValidationError as error:
        text = explain(value, str(error), ALLOWED)
        return TickError(codes.BAD_TICK, text, value.get("symbol"))
    return read
