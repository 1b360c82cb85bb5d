"""Who a session is, and what it may do: entitlements are data on its principal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from feed.hub.subscriptions import Rights
from feed.symbols import ALL_SYMBOLS, NO_SYMBOLS, SymbolSet
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

    @property
    def rights(self) -> Rights:
        """The streams it may have."""
        return Rights(self.subscribe, self.channels)

    def may_subscribe(self, channel: str, symbol: str) -> bool:
        """Tell whether it may have the ticks of a stream."""
        return channel in self.channels and symbol in self.subscribe

    def may_publish(self, channel: str, symbol: str) -> bool:
        """Tell whether it may publish into a stream."""
        return channel in self.channels and symbol in self.publish


STRANGER: Final = "anonymous"
"""The name of whoever did not say who they are."""

ANONYMOUS: Final = Principal(STRANGER, subscribe=ALL_SYMBOLS)
"""Everybody, where there is no authentication and the settings say nothing else."""
