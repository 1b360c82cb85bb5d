"""What a client may name in a command: channels and symbols, checked one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from feed import codes
from feed.errors import MessageError
from feed.hub.subscriptions import Subscription
from feed.protocol.codec import describe
from feed.protocol.messages import Rejection
from feed.symbols import SYMBOL_GRAMMAR, is_wildcard, pattern_ok, symbol_ok
from feed.ticks import CHANNELS

GRAMMAR = f"{SYMBOL_GRAMMAR}; or a pattern, * or PREFIX*"


@dataclass(slots=True)
class Universe:
    """Which symbols may be subscribed.

    Attributes:
        declared: what the sources will publish; None when that is not known beforehand.
        published: tells whether a symbol has had a tick.
    """

    declared: frozenset[str] | None
    published: Callable[[str], bool]

    def holds(self, symbol: str) -> bool:
        """Tell whether a symbol may be subscribed."""
        return self.declared is None or symbol in self.declared or self.published(symbol)


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
    symbols: Iterable[str], channels: tuple[str, ...], universe: Universe
) -> tuple[list[Subscription], list[Rejection]]:
    """Split the symbols of a command into subscriptions and rejections, in the client's order."""
    asked: list[Subscription] = []
    rejected: list[Rejection] = []
    for symbol in dict.fromkeys(symbols):
        rejection = _refusal(symbol, universe)
        if rejection:
            rejected.append(rejection)
        else:
            asked.extend(Subscription(channel, symbol) for channel in channels)
    return asked, rejected


def _refusal(symbol: str, universe: Universe) -> Rejection | None:
    if is_wildcard(symbol):
        if pattern_ok(symbol):
            return None
    elif symbol_ok(symbol):
        if universe.holds(symbol):
            return None
        return Rejection(symbol, codes.UNKNOWN_SYMBOL, f"no source publishes {symbol}")
    return Rejection(
        symbol[:64], codes.BAD_SYMBOL, f"symbol must be {GRAMMAR}, was {describe(symbol)}"
    )
