"""What a session asked for, each with the terms of its delivery, and what it may have of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

from feed.hub.stream import Stream
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

Prefixes = tuple[tuple[int, dict[str, Terms]], ...]
"""For each length, longest first: the prefixes of that length, with their terms."""

_NO_PREFIXES: Final[dict[str, Prefixes]] = {}


class Subscriptions:
    """All that one session asked for, unchanging; the most specific pattern decides for a symbol.

    Sessions with other rights are in other cohorts, so that rights cost nothing per tick, and a
    wildcard takes only what they allow, also of symbols that appear later.

    Attributes:
        rights: what the session may have at all.
        owner: whose alone they are, so that nobody else joins their cohort; None for everybody's.
        digest: equal sets have equal digests; unequal ones almost never.
        wildcards: those that also take symbols that appear later.
    """

    __slots__ = (
        "_intervals",
        "_prefixes",
        "_restricted",
        "_terms",
        "digest",
        "owner",
        "rights",
        "wildcards",
    )

    def __init__(
        self,
        terms: Mapping[Subscription, Terms] | None = None,
        rights: Rights = EVERYTHING,
        owner: object = None,
    ) -> None:
        self.rights = rights
        self.owner = owner
        self.digest = hash((rights, id(owner)))
        self.wildcards: tuple[Subscription, ...] = ()
        self._restricted = rights != EVERYTHING
        self._terms: dict[Subscription, Terms] = {}
        self._intervals: dict[int, int] = {}
        self._prefixes = _NO_PREFIXES
        self._change(terms or {}, ())

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
            and self.owner is other.owner
        )

    def __hash__(self) -> int:
        return self.digest

    @property
    def intervals_ms(self) -> list[int]:
        """The intervals of all `latest` terms."""
        return sorted(self._intervals)

    def changed(
        self, add: Mapping[Subscription, Terms], remove: Collection[Subscription] = ()
    ) -> Subscriptions:
        """Give the set with these added, or given new terms, and those removed.

        Beyond a plain copy it costs no more than what changes.
        """
        after = self._copied(self.owner)
        after._change(add, remove)
        return after

    def under(self, rights: Rights) -> Subscriptions:
        """Give what is left of the set under these rights; a wildcard stays."""
        if rights == self.rights:
            return self
        kept = {
            own: terms
            for own, terms in self._terms.items()
            if is_wildcard(own.pattern) or rights.allow(*own)
        }
        return Subscriptions(kept, rights, self.owner)

    def private_to(self, owner: object) -> Subscriptions:
        """Give the same set as one of its own, whoever else asked for the same."""
        return self if owner is self.owner else self._copied(owner)

    def terms_of(self, channel: str, symbol: str) -> Terms | None:
        """Give the terms under which a stream is delivered, or None where it is not."""
        if self._restricted and not self.rights.allow(channel, symbol):
            return None
        exact: Terms | None
        exact = self._terms.get((channel, symbol))  # type: ignore[call-overload]  # made faster
        if exact is not None:
            return exact
        for length, terms_by_prefix in self._prefixes.get(channel, ()):
            terms = terms_by_prefix.get(symbol[:length])
            if terms is not None:
                return terms
        return None

    def conflates(self, stream: Stream) -> bool:
        """Tell whether a newer tick of a stream may stand for all before it."""
        terms = self.terms_of(stream.channel, stream.symbol)
        return terms is None or (terms.delivery == "adaptive" and not stream.is_event)

    def terms_for(self, stream: Stream) -> Terms | None:
        """Give the terms of a stream as it is now: a wildcard takes it from its first tick on."""
        if stream.ticked or (stream.channel, stream.symbol) in self._terms:
            return self.terms_of(stream.channel, stream.symbol)
        return None

    def by_channel(self) -> dict[str, list[str]]:
        """Give the patterns of each channel, sorted: what an ack carries."""
        found: dict[str, list[str]] = {}
        for channel, pattern in self._terms:
            found.setdefault(channel, []).append(pattern)
        return {channel: sorted(found[channel]) for channel in sorted(found)}

    def _copied(self, owner: object) -> Subscriptions:
        copy = Subscriptions(rights=self.rights, owner=owner)
        copy.digest ^= self.digest ^ hash((self.rights, id(self.owner)))
        copy.wildcards, copy._prefixes = self.wildcards, self._prefixes
        copy._terms, copy._intervals = self._terms.copy(), self._intervals.copy()
        return copy

    def _change(self, add: Mapping[Subscription, Terms], remove: Collection[Subscription]) -> None:
        for own in remove:
            self._forget(own)
        for own, terms in add.items():
            if own in self._terms:
                self._forget(own)
            self._terms[own] = terms
            self._count(own, terms, 1)
        touched = [own for own in (*add, *remove) if is_wildcard(own.pattern)]
        if touched:
            either = dict.fromkeys((*self.wildcards, *touched))
            self.wildcards = tuple(own for own in either if own in self._terms)
            self._prefixes = self._by_length()

    def _forget(self, own: Subscription) -> None:
        terms = self._terms.pop(own, None)
        if terms is not None:
            self._count(own, terms, -1)

    def _count(self, own: Subscription, terms: Terms, change: int) -> None:
        self.digest ^= hash((own, terms))
        if terms.interval_ms:
            left = self._intervals.get(terms.interval_ms, 0) + change
            self._intervals[terms.interval_ms] = left
            if not left:
                del self._intervals[terms.interval_ms]

    def _by_length(self) -> dict[str, Prefixes]:
        """Group the wildcards of each channel by the length of their prefix, the longest first."""
        found: dict[str, dict[int, dict[str, Terms]]] = {}
        for own in sorted(self.wildcards, key=lambda own: len(own.pattern), reverse=True):
            prefix = own.pattern[:-1]
            lengths = found.setdefault(own.channel, {})
            lengths.setdefault(len(prefix), {})[prefix] = self._terms[own]
        return {channel: tuple(lengths.items()) for channel, lengths in found.items()}


NOTHING: Final = Subscriptions()
"""What a session asks for that has asked for nothing."""
