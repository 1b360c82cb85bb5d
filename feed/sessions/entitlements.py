"""Who a session is, and what it may do: entitlements are data on its principal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from feed.hub.subscriptions import Rights
from feed.symbols import ALL_SYMBOLS, NO_SYMBOLS, SymbolSet, pattern_ok, symbol_ok
from feed.ticks import CHANNELS


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with entitlements; nothing is allowed that is not named.

    Attributes:
        name: what logs and the client call it.
        subscribe: symbols whose ticks it may have.
        publish: symbols of which it may publish ticks.
        channels: the channels it may subscribe to and publish on.
        delay_s: how much later than others it gets the log.
        session_limit: how many sessions it may have at a time; None leaves it to the settings.
        subscription_limit: likewise the subscriptions of one session.
        admin: whether it may see and end sessions, and control sources.
        expires_at: when this ends, in seconds since the Unix epoch.
        credential: label of the key that vouches for it, so that it ends with that.
    """

    name: str
    subscribe: SymbolSet = NO_SYMBOLS
    publish: SymbolSet = NO_SYMBOLS
    channels: frozenset[str] = frozenset(CHANNELS)
    delay_s: int = 0
    session_limit: int | None = None
    subscription_limit: int | None = None
    admin: bool = False
    expires_at: int | None = None
    credential: str = ""

    @property
    def rights(self) -> Rights:
        """The streams it may have."""
        return Rights(self.subscribe, self.channels)

    @property
    def sees_positions(self) -> bool:
        """Whether it may know how far the sources have come; not who is late, or nobody yet."""
        return self.admin or not (self.delay_s or self is NOBODY)

    def may_publish(self, channel: str, symbol: str) -> bool:
        """Tell whether it may publish into a stream."""
        return channel in self.channels and symbol in self.publish


STRANGER: Final = "anonymous"
"""The name of whoever did not say who they are."""

ANONYMOUS: Final = Principal(STRANGER, subscribe=ALL_SYMBOLS)
"""Everybody, where there is no authentication and the settings say nothing else."""

NOBODY: Final = Principal("unauthenticated")
"""Whoever has yet to say who they are, and may do nothing before."""

MOST: Final = 1_000_000
"""The largest delay in seconds, and the largest limit."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:|+-]{0,63}")
_RESERVED: Final = frozenset({STRANGER, NOBODY.name})


def read_name(value: object) -> str:
    """Check the name of a principal.

    Raises:
        ValueError: what it must be.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value in _RESERVED:
        raise ValueError(
            "a principal must be 1 to 64 of A-Z a-z 0-9 . _ @ : | + -, starting with a letter or "
            f"a digit, and not {' or '.join(sorted(_RESERVED))}"
        )
    return value


def read_entitlements(data: Mapping[str, Any]) -> dict[str, Any]:
    """Check entitlements as a file of keys or a token has them; gives fields of a Principal.

    Raises:
        ValueError: one is unknown, or not what it must be; nothing is guessed.
    """
    for name in data:
        if name not in _READERS:
            raise ValueError(f"unknown entitlement {name[:64]!a}, known are {', '.join(_READERS)}")
    return {name: _READERS[name](name, value) for name, value in data.items()}


def _symbols(name: str, value: object) -> SymbolSet:
    if isinstance(value, list) and all(
        isinstance(own, str) and (symbol_ok(own) or pattern_ok(own)) for own in value
    ):
        return SymbolSet(value)
    raise ValueError(f"{name} must be a list of symbols, * or PREFIX*")


def _channels(name: str, value: object) -> frozenset[str]:
    if isinstance(value, list) and all(own in CHANNELS for own in value):
        return frozenset(value)
    raise ValueError(f"{name} must be a list of {', '.join(CHANNELS)}")


def _whole(name: str, value: object) -> int:
    low = 0 if name == "delay_s" else 1
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= MOST:
        return value
    raise ValueError(f"{name} must be an integer from {low} to {MOST}")


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{name} must be true or false")


_READERS: Final[dict[str, Callable[[str, object], object]]] = {
    "subscribe": _symbols,
    "publish": _symbols,
    "channels": _channels,
    "delay_s": _whole,
    "session_limit": _whole,
    "subscription_limit": _whole,
    "admin": _flag,
}
