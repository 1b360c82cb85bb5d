"""How the value of a setting is read, whether it was written as text or in a TOML file.

Each takes any value and gives it as it is to be, or raises ValueError with what it must be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from math import isfinite
from typing import Any, Final

from feed.symbols import pattern_ok, symbol_ok

Parse = Callable[[Any], Any]

_NANOSECONDS: Final = re.compile(r"-?[0-9]{9,20}")  # eight digits are a date


def text(value: Any) -> str:
    """Take a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    return value


def flag(value: Any) -> bool:
    """Take true or false, also as words."""
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("must be true or false")


def whole(low: int, high: int) -> Parse:
    """Take an integer of a range, both ends included."""

    def parse(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str | int) else None
        except ValueError:
            number = None
        if number is None or isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return number

    return parse


def number(low: float, high: float, note: str = "") -> Parse:
    """Take a finite number of a range, both ends included."""

    def parse(value: Any) -> float:
        try:
            found = float(value) if isinstance(value, str | int | float) else None
        except (ValueError, OverflowError):
            found = None
        if (
            found is None
            or isinstance(value, bool)
            or not (isfinite(found) and low <= found <= high)
        ):
            raise ValueError(f"must be a number from {low:g} to {high:g}{note}")
        return found

    return parse


def choice(*allowed: str) -> Parse:
    """Take one of some words."""

    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return parse


def texts(value: Any) -> tuple[str, ...]:
    """Take a list of texts; one text may hold several, parted by commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(
        own and isinstance(own, str) for own in items
    ):
        raise ValueError("must be a list of texts that are not empty")
    return tuple(items)


def several(*allowed: str) -> Parse:
    """Take a list of some words."""

    def parse(value: Any) -> tuple[str, ...]:
        items = texts(value)
        if not set(items) <= set(allowed):
            raise ValueError(f"must be of {', '.join(allowed)}")
        return items

    return parse


def networks(value: Any) -> tuple[str, ...]:
    """Take a list of addresses and networks."""
    items = texts(value)
    for own in items:
        try:
            ip_network(own)
        except ValueError:
            raise ValueError("must be addresses or networks, such as 10.0.0.0/8") from None
    return items


def patterns(value: Any) -> tuple[str, ...]:
    """Take a list of symbols and of patterns; an empty text is none."""
    items = texts(value) if value else ()
    if not all(symbol_ok(own) or pattern_ok(own) for own in items):
        raise ValueError("must be symbols, * or PREFIX*, parted by commas")
    return items


def pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """Take NAME=COLUMN pairs, as texts or as a TOML table."""
    if isinstance(value, Mapping):
        return tuple((str(name), str(column)) for name, column in value.items())
    found = [own.partition("=") for own in texts(value)]
    if not all(name and column for name, _, column in found):
        raise ValueError("must be NAME=COLUMN, such as bid=BidPrice")
    return tuple((name, column) for name, _, column in found)


def moment(value: Any) -> int:
    """Take ISO 8601 (UTC where no zone is given) or integer nanoseconds; gives nanoseconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    written = str(value)  # TOML has dates and times of its own
    if _NANOSECONDS.fullmatch(written):
        return int(written)
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("must be ISO 8601 or integer nanoseconds since 1970") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    seconds = int(at.replace(microsecond=0).timestamp())
    return seconds * 1_000_000_000 + at.microsecond * 1_000
