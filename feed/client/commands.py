"""Subscribe and unsubscribe commands, each below the server's limit of 64 KiB."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from feed.protocol.codec import encode
from feed.protocol.messages import Delivery, Resume, Subscribe, Unsubscribe

SYMBOLS_PER_COMMAND: Final = 1_000
"""Keeps a command short work for the server, whose loop it holds."""

COMMAND_BYTES: Final = 60_000
"""What symbols and positions may take of a command; the rest is room for its other fields."""

Change = Subscribe | Unsubscribe
"""A command that changes what is subscribed."""

Seqs = Mapping[str, Mapping[str, int]]
"""The last seq received of each stream: channel -> symbol -> seq."""


class Terms(NamedTuple):
    """How a stream is to be delivered; the fields are those of `subscribe`."""

    delivery: Delivery = "adaptive"
    interval_ms: int = 250
    snapshot: bool = True


class Positions(NamedTuple):
    """Where to resume; streams without a seq begin anew."""

    epoch: str
    seqs: Seqs

    def of(self, channels: Iterable[str], symbols: Iterable[str]) -> Resume | None:
        """Give the positions of some streams, or None where none of them has one."""
        names = list(symbols)
        seqs = {channel: _among(names, self.seqs.get(channel, {})) for channel in channels}
        return Resume(self.epoch, **seqs) if any(seqs.values()) else None

    def size_bytes(self, channels: Iterable[str], symbol: str) -> int:
        """Give how much the positions of a symbol add to a command."""
        seqs = (self.seqs.get(channel, {}).get(symbol) for channel in channels)
        return sum(len(symbol) + len(str(seq)) + 4 for seq in seqs if seq is not None)

    def without(self, streams: Container[tuple[str, str]]) -> Positions:
        """Give all but the positions of some streams, named by channel and symbol."""
        left = {
            channel: {own: seq for own, seq in seqs.items() if (channel, own) not in streams}
            for channel, seqs in self.seqs.items()
        }
        return Positions(self.epoch, left)


NOWHERE: Final = Positions("", {})
"""Of a client that has received nothing, or will not resume."""


def subscribes(
    symbols: Iterable[str],
    channels: Iterable[str],
    terms: Terms,
    positions: Positions = NOWHERE,
) -> Iterator[Subscribe]:
    """Give the commands that ask for these symbols, each from its last position on."""
    names = list(channels)
    for part in _parts(symbols, lambda symbol: positions.size_bytes(names, symbol)):
        yield Subscribe(part, list(names), *terms, positions.of(names, part))


def unsubscribes(symbols: Iterable[str], channels: list[str] | None) -> Iterator[Unsubscribe]:
    """Give the commands that end these symbols."""
    for part in _parts(symbols, lambda symbol: 0):
        yield Unsubscribe(part, channels)


def subscribe_patterns(
    patterns: list[str],
    channels: Iterable[str],
    terms: Terms,
    positions: Positions = NOWHERE,
) -> Iterator[Change]:
    """Give the commands that ask for patterns, and for the symbols seen from their positions on.

    A pattern takes all its streams at once, so their positions have to be in the same command.
    Where they do not fit, each symbol is subscribed by name before and let go by name afterwards.
    """
    names = list(channels)
    symbols = dict.fromkeys(symbol for seqs in positions.seqs.values() for symbol in seqs)
    size = sum(positions.size_bytes(names, symbol) for symbol in symbols)
    if size + sum(map(_size_bytes, patterns)) <= COMMAND_BYTES:
        for command in subscribes(patterns, names, terms):
            command.resume = positions.of(names, symbols)
            yield command
        return
    for channel, seqs in positions.seqs.items():
        yield from subscribes(seqs, [channel], terms, positions)
    yield from subscribes(patterns, names, terms)
    for channel, seqs in positions.seqs.items():
        yield from unsubscribes(seqs, [channel])


def _parts(symbols: Iterable[str], extra_bytes: Callable[[str], int]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for symbol in symbols:
        own = _size_bytes(symbol) + extra_bytes(symbol)
        if part and (size + own > COMMAND_BYTES or len(part) == SYMBOLS_PER_COMMAND):
            yield part
            part, size = [], 0
        part.append(symbol)
        size += own
    if part:
        yield part


def _size_bytes(symbol: str) -> int:
    return len(encode(symbol)) + 1


def _among(names: Iterable[str], seqs: Mapping[str, int]) -> dict[str, int]:
    return {name: seqs[name] for name in names if name in seqs}
