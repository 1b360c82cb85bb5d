"""Ticks and events as lines of text."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from feed.ticks import Bar, Quote, Status, Tick, Trade

if TYPE_CHECKING:
    from feed.client.events import Event

_ORDER: Final = {"duplicate": "twice", "late": "late"}


def printable(text: str) -> str:
    """Make a server's text safe for a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)


def describe(event: Event) -> str:
    """Say in a line what happened; empty for what is no news."""
    from feed.client import events

    match event:
        case events.Gap():
            where = f"{event.channel} {event.symbol}"
            return f"lost {event.count} of {where}, seq {event.first_seq} to {event.last_seq}"
        case events.Disorder():
            return f"{event.channel} {event.symbol}: seq {event.seq} came {_ORDER[event.reason]}"
        case events.Disconnect():
            return f"disconnected ({event.code} {event.reason}), trying again".replace(" )", ")")
        case events.Stale():
            return f"nothing came for {event.silent_s:g} s, giving the connection up"
        case events.Reconnected():
            return "reconnected" + ("" if event.same_epoch else ", the numbering began anew")
        case events.Notice() | events.ErrorMessage():
            return f"the server says: {event.message}"
    return ""


def write_json(ticks: list[Tick]) -> None:
    """Write ticks as they were on the wire, one JSON object per line."""
    from feed.protocol.codec import encode_ticks

    sys.stdout.buffer.write(b"\n".join([*encode_ticks(ticks), b""]))
    sys.stdout.buffer.flush()


def write_text(ticks: list[Tick]) -> None:
    """Write ticks for people, one line each."""
    sys.stdout.write("".join([f"{line(tick)}\n" for tick in ticks]))
    sys.stdout.flush()


def line(tick: Tick) -> str:
    """Write a tick as one line: time, kind, symbol, values and seq."""
    return f"{utc(tick.ts_event)} {_values(tick)} #{tick.seq}"


def _values(tick: Tick) -> str:
    match tick:
        case Quote():
            bid, ask = _sized(tick.bid, tick.bid_size), _sized(tick.ask, tick.ask_size)
            return f"quote  {tick.symbol:<8} bid {bid} ask {ask}"
        case Trade():
            return f"trade  {tick.symbol:<8} {_sized(tick.price, tick.size)}"
        case Bar():
            prices = f"open {tick.open} high {tick.high} low {tick.low} close {tick.close}"
            return f"bar    {tick.symbol:<8} {tick.interval} {prices} volume {tick.volume}"
        case Status():
            return f"status {tick.symbol:<8} {tick.status} {tick.reason or ''}".rstrip()


def _sized(price: float, size: float | None) -> str:
    return f"{price}" if size is None else f"{price} x {size}"


def utc(ts_ns: int) -> str:
    """Give a time in ISO 8601, to the microsecond."""
    seconds, rest_ns = divmod(ts_ns, 1_000_000_000)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # no year of the calendar
        return str(ts_ns)
    return f"{text}.{rest_ns // 1000:06}Z"
