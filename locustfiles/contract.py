"""What the ledger cannot judge: excuses for ticks that do not come, renumbering, and silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from feed.client.commands import Seqs
from feed.client.events import Disorder
from feed.client.ledger import Ledger
from feed.protocol.messages import Delivery, Skipped
from feed.symbols import is_wildcard, matches
from feed.ticks import CHANNEL_OF, EVENT_CHANNELS, Tick


class Newest(NamedTuple):
    """How far each stream of a feed had come at one moment."""

    epoch: str
    seqs: Seqs


def pretext(skipped: Skipped, delivery: Delivery, *, publishes: bool) -> str | None:
    """Say what is wrong with a notice: its numbers, or a reason that this user cannot be given.

    Args:
        publishes: whether the user has published anything, which it is not sent itself.
    """
    kept = delivery == "all" or (delivery == "adaptive" and skipped.channel in EVENT_CHANNELS)
    span = f"{skipped.channel} {skipped.symbol} seq {skipped.first_seq} to {skipped.last_seq}"
    if skipped.count != skipped.last_seq - skipped.first_seq + 1:
        return f"{span}, which are not {skipped.count}"
    if skipped.reason == "conflated" and kept:
        return f"{span}, conflated in spite of {delivery}"
    if skipped.reason == "own" and not publishes:
        return f"{span}, as its own, and it published none"
    return None


class Repeat(NamedTuple):
    """A seq that came for the second time, and the newest tick of its stream by then."""

    event: Disorder
    newest: Tick | None

    def is_renumbered(self, ticks: Iterable[Tick]) -> bool:
        """Tell whether it came with a newer tick than the newest.

        Args:
            ticks: what was read, that tick among it; none where a notice repeated the seq.
        """
        newest, seq = self.newest, self.event.seq
        if newest is None or newest.seq < seq:  # a notice had taken the seq
            return False
        return any(
            tick.seq == seq
            and tick.symbol == self.event.symbol
            and CHANNEL_OF[type(tick)] == self.event.channel
            and tick.ts_out > newest.ts_out
            for tick in ticks
        )


def silent(
    newest: Newest, ledger: Ledger, subscriptions: Mapping[str, Iterable[str]]
) -> Iterator[str]:
    """Name the streams of which less has come, or been told, than the feed had.

    Args:
        subscriptions: channel -> symbols and patterns, as the feed confirmed them.
    """
    if ledger.epoch != newest.epoch:
        return
    positions = ledger.positions()
    for channel, names in subscriptions.items():
        due, had = newest.seqs.get(channel, {}), positions.get(channel, {})
        for symbol in _named(names, due):
            seq = had.get(symbol, 0)
            if seq < due.get(symbol, 0):
                yield f"{channel} {symbol} at seq {seq}, where the feed was at {due[symbol]}"


def _named(names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    for name in names:
        if is_wildcard(name):
            yield from (symbol for symbol in known if matches(name, symbol))
        else:
            yield name
