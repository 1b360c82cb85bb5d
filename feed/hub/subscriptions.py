"""What a session asked for, each with the terms of its delivery, and what it may have of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from feed.symbols import ALL_SYMBOLS, SymbolSet, is_wildcard
from feed.ticks import CHANNELS


class Terms(NamedTuple):
    """How ticks are delivered: `adaptive`, `all`, or `latest` every `interval_ms`."""

    delivery: str
    interval_ms: int = 0


class Subscription(NamedTuple):
    """One channel of one symbol, or of every symbol that matches `*` or a prefix such as `BTC*`."""

    channel: str
    pattern: str


class Rights(NamedTuple):
    """The streams that a session may have: those of these symbols on these channels."""

    symbols: SymbolSet
    channels: frozenset[str]

    def allow(self, channel: str, symbol: str) -> bool:
        """Tell whether a stream is among them."""
        return channel in self.channels and symbol in self.symbols


EVERYTHING: Final = Rights(ALL_SYMBOLS, frozenset(CHANNELS))


class Subscriptions:
    """All that one session asked for, unchanging; the most specific pattern decides for a symbol.

    Sessions with other rights are in other cohorts, so that rights cost nothing per tick, and a
    wildcard takes only what they allow, also of symbols that appear later.

    Attributes:
        rights: what the session may have at all.
        digest: equal sets have equal digests; unequal ones almost never.
        intervals_ms: of all `latest` terms.
    """

    __slots__ = ("_terms", "_wildcards", "digest", "intervals_ms", "rights")

    def __init__(
        self, terms: Mapping[Subscription, Terms] | None = None, rights: Rights = EVERYTHING
    ) -> None:
        self.rights = rights
        self._terms = dict(terms or {})
        self._wildcards = sorted(
            (own for own in self._terms if is_wildcard(own.pattern)),
            key=lambda own: len(own.pattern),
            reverse=True,
        )
        self.digest = hash((frozenset(self._terms.items()), rights))
        distinct = set(self._terms.values())
        self.intervals_ms = tuple(sorted({own.interval_ms for own in distinct} - {0}))

    def __len__(self) -> int:
        return len(self._terms)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._terms)

    def __contains__(self, subscription: object) -> bool:
        return subscription in self._terms

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Subscriptions)
            and self._terms == other._terms
            and self.rights == other.rights
        )

    def __hash__(self) -> int:
        return self.digest

    @property
    def wildcards(self) -> list[Subscription]:
        """The subscriptions that also take symbols that appear later, longest pattern first."""
        return self._wildcards

    def changed(
        self, add: Mapping[Subscription, Terms], remove: Iterable[Subscription] = ()
    ) -> Subscriptions:
        """Give the set with these added, or given new terms, and those removed."""
        gone = set(remove)
        kept = {own: terms for own, terms in self._terms.items() if own not in gone}
        return Subscriptions(kept | dict(add), self.rights)

    def under(self, rights: Rights) -> Subscriptions:
        """Give what is left of the set under these rights; a wildcard stays."""
        kept = {
            own: terms
            for own, terms in self._terms.items()
            if is_wildcard(own.pattern) or rights.allow(*own)
        }
        return Subscriptions(kept, rights)

    def differing(self, other: Subscriptions) -> set[Subscription]:
        """Give the subscriptions that only one has, or that have other terms."""
        return {own for own, _ in self._terms.items() ^ other._terms.items()}

    def terms_of(self, channel: str, symbol: str) -> Terms | None:
        """Give the terms under which a stream is delivered, or None where it is not."""
        if not self.rights.allow(channel, symbol):
            return None
        exact = self._terms.get(Subscription(channel, symbol))
        if exact is not None:
            return exact
        for own in self._wildcards:
            if own.channel == channel and symbol.startswith(own.pattern[:-1]):
                return self._terms[own]
        return None

    def by_channel(self) -> dict[str, list[str]]:
        """Give the patterns of each channel, sorted: what an ack carries."""
        found: dict[str, list[str]] = {}
        for channel, pattern in sorted(self._terms):
            found.setdefault(channel, []).append(pattern)
        return found
