"""The subscriptions a client holds on to, so that they outlive a connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from feed.protocol.messages import Delivery, Subscribe, Unsubscribe

SYMBOLS_PER_COMMAND: Final = 1_000
"""Keeps a command below the server's 64 KiB."""


Change = Subscribe | Unsubscribe
"""A command that changes what is subscribed."""


class Terms(NamedTuple):
    """How a stream is to be delivered; the fields are those of `subscribe`."""

    delivery: Delivery = "adaptive"
    interval_ms: int = 250
    snapshot: bool = True


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

    def commands(self) -> Iterator[Subscribe]:
        """Give as few commands as ask for everything anew."""
        channels: dict[tuple[str, Terms], list[str]] = {}
        for (channel, symbol), terms in self._terms.items():
            channels.setdefault((symbol, terms), []).append(channel)
        groups: dict[tuple[Terms, tuple[str, ...]], list[str]] = {}
        for (symbol, terms), wanted in channels.items():
            groups.setdefault((terms, tuple(wanted)), []).append(symbol)
        for (terms, names), symbols in groups.items():
            yield from subscribes(symbols, names, terms)


def subscribes(symbols: list[str], channels: Iterable[str], terms: Terms) -> Iterator[Subscribe]:
    """Give the commands that ask for these symbols, a thousand in each."""
    for start in range(0, len(symbols), SYMBOLS_PER_COMMAND):
        part = symbols[start : start + SYMBOLS_PER_COMMAND]
        yield Subscribe(part, list(channels), *terms)


def unsubscribes(symbols: list[str], channels: list[str] | None) -> Iterator[Unsubscribe]:
    """Give the commands that end these symbols, a thousand in each."""
    for start in range(0, len(symbols), SYMBOLS_PER_COMMAND):
        yield Unsubscribe(symbols[start : start + SYMBOLS_PER_COMMAND], channels)
