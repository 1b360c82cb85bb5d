"""The subscriptions a client holds on to, so that they outlive a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from feed.client.commands import (
    NOWHERE,
    Change,
    Positions,
    Terms,
    subscribe_patterns,
    subscribes,
)
from feed.symbols import is_wildcard


class Wants:
    """What was asked for, by (channel, symbol or pattern)."""

    def __init__(self) -> None:
        self._terms: dict[tuple[str, str], Terms] = {}

    def add(self, channels: Iterable[str], symbols: Iterable[str], terms: Terms) -> None:
        """Want these from now on, under these terms."""
        names = list(symbols)
        for channel in channels:
            self._terms.update(((channel, symbol), terms) for symbol in names)

    def drop(self, channels: Iterable[str], symbols: Iterable[str]) -> None:
        """Want these no longer."""
        names = list(symbols)
        for channel in channels:
            for symbol in names:
                self._terms.pop((channel, symbol), None)

    def commands(self, positions: Positions = NOWHERE) -> Iterator[Change]:
        """Give the commands that ask for everything anew, going on from these positions.

        Names come before patterns, and each stream's position is in the first command that takes
        the stream: a later one only changes its terms.
        """
        left = {channel: dict(seqs) for channel, seqs in positions.seqs.items()}
        for channel, symbol in self._terms:
            left.get(channel, {}).pop(symbol, None)
        for terms, channels, symbols in self._groups(wildcards=False):
            yield from subscribes(symbols, channels, terms, positions)
        for terms, channels, patterns in self._groups(wildcards=True):
            taken = {channel: _matching(left.get(channel, {}), patterns) for channel in channels}
            yield from subscribe_patterns(
                patterns, channels, terms, Positions(positions.epoch, taken)
            )

    def _groups(self, *, wildcards: bool) -> Iterator[tuple[Terms, list[str], list[str]]]:
        """Give terms, channels, and all the symbols that share both."""
        channels: dict[tuple[str, Terms], list[str]] = {}
        for (channel, symbol), terms in self._terms.items():
            if is_wildcard(symbol) == wildcards:
                channels.setdefault((symbol, terms), []).append(channel)
        groups: dict[tuple[Terms, tuple[str, ...]], list[str]] = {}
        for (symbol, terms), wanted in channels.items():
            groups.setdefault((terms, tuple(wanted)), []).append(symbol)
        for (terms, names), symbols in groups.items():
            yield terms, list(names), symbols


def _matching(seqs: dict[str, int], patterns: list[str]) -> dict[str, int]:
    """Take the symbols that patterns match out of `seqs`."""
    prefixes = tuple(pattern[:-1] for pattern in patterns)
    return {symbol: seqs.pop(symbol) for symbol in list(seqs) if symbol.startswith(prefixes)}
