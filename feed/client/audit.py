"""What a feed must not do, counted: holes nobody owns up to, repeats, disorder, foreign ticks.

A hole at the very end is none that later ticks show, so `silent` looks at where the feed is.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from feed.client.commands import Positions
from feed.client.events import Disorder, Event, Gap, Reconnected
from feed.symbols import is_wildcard, matches
from feed.ticks import CHANNEL_OF, Tick


class Audit:
    """Judge the ticks and events of one connection against what was asked of it.

    Give it every batch (`take`) and every event (`hear`).

    Attributes:
        missing: seqs that neither came nor were announced as skipped or lost.
        duplicates: seqs that were accounted for already.
        late: seqs that came after ones above them.
        foreign: ticks of streams that were not asked for.
        silent: streams that stood still to the end while the feed went on.
        lost: seqs the server said it can no longer give, after a reconnect.
        epochs: how often the numbering began anew.
        examples: kind of fault -> where it was first seen.
    """

    def __init__(self, symbols: Iterable[str], channels: Iterable[str]) -> None:
        self.missing = 0
        self.duplicates = 0
        self.late = 0
        self.foreign = 0
        self.silent = 0
        self.lost = 0
        self.epochs = 0
        self.examples: dict[str, str] = {}
        self.ask(symbols, channels)

    def ask(self, symbols: Iterable[str], channels: Iterable[str]) -> None:
        """Judge from here on by these; what was counted stays."""
        self._channels = frozenset(channels)
        names = set(symbols)
        self._names = frozenset(names)
        self._prefixes = tuple(name[:-1] for name in names if is_wildcard(name))
        self._known: dict[type, set[str]] = {kind: set() for kind in CHANNEL_OF}

    def asked(self, channel: str, symbol: str) -> bool:
        """Tell whether a stream is one that was asked for."""
        named = symbol in self._names or symbol.startswith(self._prefixes)
        return named and channel in self._channels

    @property
    def faults(self) -> dict[str, int]:
        """Everything found that must not be: kind -> how often; empty when all is well."""
        counts = {
            "missing": self.missing,
            "duplicate": self.duplicates,
            "late": self.late,
            "foreign": self.foreign,
            "silent": self.silent,
        }
        return {kind: count for kind, count in counts.items() if count}

    @property
    def streams(self) -> int:
        """How many streams ticks came of."""
        return sum(map(len, self._known.values()))

    def take(self, ticks: list[Tick]) -> None:
        """Check that each tick is of a stream that was asked for."""
        known = self._known
        for tick in ticks:
            if tick.symbol not in known[type(tick)]:
                self._judge(tick)

    def _judge(self, tick: Tick) -> None:
        channel, symbol = CHANNEL_OF[type(tick)], tick.symbol
        if self.asked(channel, symbol):
            self._known[type(tick)].add(symbol)
        else:
            self.foreign += 1
            self._note("foreign", f"{channel} {symbol} seq {tick.seq}")

    def hear(self, event: Event) -> None:
        """Take in what the ledger found, and what the server said of it."""
        match event:
            case Gap(told=True):
                self.lost += event.count
            case Gap():
                self.missing += event.count
                span = f"seq {event.first_seq} to {event.last_seq}"
                self._note("missing", f"{event.channel} {event.symbol} {span}")
            case Disorder():
                self._disorder(event)
            case Reconnected(same_epoch=False):
                self.epochs += 1

    def stood_still(self, streams: Iterable[str]) -> None:
        """Count streams that went on without us, as `silent` names them."""
        for where in streams:
            self.silent += 1
            self._note("silent", where)

    def _disorder(self, event: Disorder) -> None:
        if event.reason == "late":  # so it is not missing after all
            self.late += 1
            self.missing -= 1
        else:
            self.duplicates += 1
        self._note(event.reason, f"{event.channel} {event.symbol} seq {event.seq}")

    def _note(self, kind: str, where: str) -> None:
        self.examples.setdefault(kind, where)


def silent(
    newest: Positions,
    come: Positions,
    subscriptions: Mapping[str, Iterable[str]],
    doubtful: Container[tuple[str, str]] = (),
) -> Iterator[str]:
    """Name the streams of which less has come, or been told, than the feed had.

    Args:
        newest: how far the streams of the feed had come at one moment.
        come: how far they have come here since; of another numbering nothing can be said.
        subscriptions: channel -> symbols and patterns, as the feed confirmed them.
        doubtful: streams that may not be sent any more, of which nothing is said.
    """
    if come.epoch != newest.epoch:
        return
    for channel, names in subscriptions.items():
        due, had = newest.seqs.get(channel, {}), come.seqs.get(channel, {})
        for symbol in dict.fromkeys(_named(names, due)):
            seq = had.get(symbol, 0)
            if seq < due.get(symbol, 0) and (channel, symbol) not in doubtful:
                yield f"{channel} {symbol} at seq {seq}, where the feed was at {due[symbol]}"


def _named(names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    for name in names:
        if is_wildcard(name):
            yield from (symbol for symbol in known if matches(name, symbol))
        else:
            yield name
