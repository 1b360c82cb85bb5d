"""What a client may name in a command: channels and symbols, each checked alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from feed import codes
from feed.errors import MessageError
from feed.hub.subscriptions import Subscription
from feed.protocol.describe import describe
from feed.protocol.messages import Rejection
from feed.sessions.entitlements import ANONYMOUS, STRANGER, Principal
from feed.symbols import SYMBOL_GRAMMAR, is_wildcard, pattern_ok, symbol_ok
from feed.ticks import CHANNELS

GRAMMAR = f"{SYMBOL_GRAMMAR}; or a pattern, * or PREFIX*"


EXPLAINED: Final = 100
"""Of how many rejections the sentence is told, too; the code says the same, in less room."""

REJECTED: Final = 10_000
"""How many rejections are told: of names that fit a message of 64 KiB, with the largest set of
subscriptions still less than 1 MiB."""


@dataclass(slots=True)
class Universe:
    """Which symbols may be subscribed.

    Attributes:
        declared: what the sources will publish; None when that is not known beforehand.
        published: tells whether a symbol has had a tick.
        publishable: tells whether somebody may publish a symbol, so that it may tick one day.
    """

    declared: frozenset[str] | None
    published: Callable[[str], bool]
    publishable: Callable[[str], bool] = lambda symbol: False

    def holds(self, symbol: str) -> bool:
        """Tell whether a symbol may be subscribed."""
        return (
            self.declared is None
            or symbol in self.declared
            or self.published(symbol)
            or self.publishable(symbol)
        )


def read_channels(names: list[str] | None, id: int | str | None) -> tuple[str, ...]:
    """Check the channels of a command; None means all.

    Raises:
        MessageError: one is unknown; the whole command is refused.
    """
    for name in names or ():
        if name not in CHANNELS:
            text = f"channels must be of {', '.join(CHANNELS)}, was {describe(name)}"
            raise MessageError(codes.UNKNOWN_CHANNEL, text, id=id)
    return CHANNELS if names is None else tuple(dict.fromkeys(names))


def read_subscriptions(
    symbols: Iterable[str],
    channels: tuple[str, ...],
    universe: Universe,
    principal: Principal = ANONYMOUS,
) -> tuple[list[Subscription], list[Rejection]]:
    """Split the symbols of a command into subscriptions and rejections, in the client's order."""
    asked: list[Subscription] = []
    rejected: list[Rejection] = []
    given = [own for own in channels if own in principal.channels]
    for symbol in dict.fromkeys(symbols):
        rejection = _refusal(symbol, universe, principal)
        if rejection:
            rejected.append(rejection)
            continue
        name = sys.intern(symbol)  # one text for all sessions that ask for it
        asked += [Subscription(channel, name) for channel in given]
        if len(given) < len(channels):
            rejected.append(_without(symbol, [own for own in channels if own not in given]))
    return asked, rejected


def told(rejected: list[Rejection]) -> tuple[list[Rejection], int | None]:
    """Cut a long list of rejections to what an answer may hold.

    Returns:
        What is told, and how many there are where that is not all.
    """
    rest = [Rejection(own.symbol, own.code, "") for own in rejected[EXPLAINED:REJECTED]]
    return rejected[:EXPLAINED] + rest, len(rejected) if len(rejected) > REJECTED else None


def not_entitled(symbol: str, principal: Principal) -> Rejection:
    """Refuse a symbol that is not the principal's, in the same words whether it exists or not."""
    if principal.name == STRANGER:
        return _unknown(symbol)
    return Rejection(symbol, codes.NOT_ENTITLED, f"{symbol} is not among the symbols of this token")


def _unknown(symbol: str) -> Rejection:
    return Rejection(symbol, codes.UNKNOWN_SYMBOL, f"no source publishes {symbol}")


def _without(symbol: str, channels: list[str]) -> Rejection:
    text = f"{symbol} was not subscribed on {', '.join(channels)}: this session may not have that"
    return Rejection(symbol, codes.NOT_ENTITLED, text)


def _refusal(symbol: str, universe: Universe, principal: Principal) -> Rejection | None:
    if is_wildcard(symbol):  # whatever it is, it takes only what the principal may have
        if pattern_ok(symbol):
            return None
    elif symbol_ok(symbol):
        if symbol not in principal.subscribe:
            return not_entitled(symbol, principal)
        return None if universe.holds(symbol) else _unknown(symbol)
    return Rejection(
        symbol[:64], codes.BAD_SYMBOL, f"symbol must be {GRAMMAR}, was {describe(symbol)}"
    )
