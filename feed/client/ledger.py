"""The seq of every stream received: what proves that nothing was lost in silence.

The rule (docs/PROTOCOL.md): within one epoch each stream's seqs rise by one, and a missing seq
that no `skipped` notice covers is a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, Final

import msgspec

from feed.client.events import Disorder, Gap
from feed.protocol.messages import Resumed, Skipped, Snapshot
from feed.ticks import CHANNEL_OF, Quote, Tick

KIND_OF: Final = {channel: kind for kind, channel in CHANNEL_OF.items()}
_HELD: Final = {"quotes": "quote", "trades": "trade", "bars": "bar", "status": "status"}

HOLES_KEPT: Final = 64
"""Gaps remembered for each stream, so that a late tick is not taken for a duplicate."""


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A stream's position where it is not that of its newest tick, which is `tick`."""

    seq: int
    tick: Tick | None


class Ledger:
    """Account for every seq received; `tell` is called with each Gap and Disorder.

    Each stream's entry is the newest tick itself, so one store per tick keeps both the position
    and the last value.
    """

    def __init__(self, tell: Callable[[Gap | Disorder], None]) -> None:
        self._tell = tell
        self._streams: dict[type, dict[str, Any]] = {kind: {} for kind in CHANNEL_OF}
        self._holes: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._doubts: dict[tuple[str, str], int] = {}  # with the seq that each one had then
        self.epoch = ""

    def welcome(self, epoch: str) -> bool:
        """Begin a connection; False when its epoch is another, so that all numbering restarts."""
        same = epoch == self.epoch
        if not same:
            self.keep({})
        self.epoch = epoch
        return same

    def take(self, ticks: list[Tick]) -> None:
        """Account for ticks in the order they came."""
        streams, quotes = self._streams, self._streams[Quote]
        for tick in ticks:
            try:
                if type(tick) is Quote:  # its own branch sees one layout only: a fifth cheaper
                    symbol, stream = tick.symbol, quotes
                    if quotes[symbol].seq + 1 == tick.seq:
                        quotes[symbol] = tick
                        continue
                else:
                    symbol, stream = tick.symbol, streams[type(tick)]
                    if stream[symbol].seq + 1 == tick.seq:
                        stream[symbol] = tick
                        continue
            except KeyError:  # the first of its stream begins the numbering
                streams[type(tick)][tick.symbol] = tick
            else:
                self._irregular(stream, tick)

    def _irregular(self, stream: dict[str, Any], tick: Tick) -> None:
        channel, last = CHANNEL_OF[type(tick)], stream[tick.symbol].seq
        if tick.seq > last:
            self._gap(channel, tick.symbol, last + 1, tick.seq - 1)
            stream[tick.symbol] = tick
        elif self._fill(channel, tick.symbol, tick.seq):
            self._tell(Disorder(channel, tick.symbol, tick.seq, "late"))
        else:
            self._tell(Disorder(channel, tick.symbol, tick.seq, "duplicate"))

    def snapshot(self, snapshot: Snapshot) -> None:
        """Account for a snapshot: whatever lies before it and did not come is lost.

        A stream in doubt was taken away, then, and is given back: what lies between was not ours.
        """
        symbol = snapshot.symbol
        for channel, seq in snapshot.seqs.items():
            if channel in KIND_OF:
                tick = getattr(snapshot, _HELD[channel])
                doubted = self._doubted(channel, symbol)
                self._doubts.pop((channel, symbol), None)
                before = seq if doubted is None else min(seq, doubted)
                self._advance(channel, symbol, before + 1, seq, tick)

    def skipped(self, skipped: Skipped) -> None:
        """Account for ticks the server says it did not send."""
        if skipped.channel in KIND_OF:
            first, last = skipped.first_seq, skipped.last_seq
            self._advance(skipped.channel, skipped.symbol, first, last, None)

    def resumed(self, resumed: Resumed) -> None:
        """Account for the end of a resume: what did not come of it is lost, told or not."""
        kind = KIND_OF.get(resumed.channel)
        self._doubts.pop((resumed.channel, resumed.symbol), None)
        before = self._streams[kind].get(resumed.symbol) if kind else None
        if before is None or before.seq >= resumed.to_seq:
            return
        channel, symbol, last = resumed.channel, resumed.symbol, resumed.to_seq
        first = last + 1 if resumed.complete else max(resumed.from_seq, before.seq + 1)
        self._advance(channel, symbol, first, last, None)
        if first <= last:
            self._tell(Gap(channel, symbol, first, last, told=True))

    def _advance(self, channel: str, symbol: str, first: int, last: int, tick: Tick | None) -> None:
        """Move a stream on to `last`, where `first` should be the seq that is expected."""
        stream = self._streams[KIND_OF[channel]]
        before = stream.get(symbol)
        if before is not None and first > before.seq + 1:
            self._gap(channel, symbol, before.seq + 1, first - 1)
        elif before is not None and first <= before.seq:
            self._tell(Disorder(channel, symbol, first, "duplicate"))
        if before is None or last >= before.seq:
            stream[symbol] = Mark(last, tick or (before and _tick(before)))

    def _gap(self, channel: str, symbol: str, first: int, last: int) -> None:
        holes = self._holes.setdefault((channel, symbol), [])
        holes.append((first, last))
        del holes[:-HOLES_KEPT]
        self._tell(Gap(channel, symbol, first, last))

    def _fill(self, channel: str, symbol: str, seq: int) -> bool:
        """Take a seq out of the hole it belongs to; False when there is none."""
        holes = self._holes.get((channel, symbol), [])
        for place, (first, last) in enumerate(holes):
            if first <= seq <= last:
                around = [(first, seq - 1), (seq + 1, last)]
                holes[place : place + 1] = [(low, high) for low, high in around if low <= high]
                return True
        return False

    def last(self, channel: str, symbol: str) -> Tick | None:
        """Give the newest tick of a stream, a snapshot's included."""
        entry = self._streams[KIND_OF[channel]].get(symbol)
        return None if entry is None else _tick(entry)

    def positions(self) -> dict[str, dict[str, int]]:
        """Give the last seq of every stream, as `resume` wants it: channel -> symbol -> seq."""
        return {
            CHANNEL_OF[kind]: {symbol: entry.seq for symbol, entry in stream.items()}
            for kind, stream in self._streams.items()
            if stream
        }

    def keep(self, subscriptions: Mapping[str, Iterable[str]]) -> None:
        """Drop the streams that are not subscribed any more; subscribed again, they begin anew."""
        for kind, stream in self._streams.items():
            channel = CHANNEL_OF[kind]
            patterns = set(subscriptions.get(channel, ()))
            prefixes = tuple(name[:-1] for name in patterns if name.endswith("*"))
            for symbol in list(stream):
                if symbol not in patterns and not symbol.startswith(prefixes):
                    del stream[symbol]
                    self._holes.pop((channel, symbol), None)
                    self._doubts.pop((channel, symbol), None)

    def doubt(self, subscriptions: Mapping[str, Iterable[str]], symbols: Set[str] | None) -> None:
        """Take note that rights have changed, and that these symbols were lost on some channel.

        Where one is subscribed by name it goes on. Elsewhere nobody says on which channels it was
        lost, or when it comes back: its streams are in doubt until more is heard of them.

        Args:
            subscriptions: channel -> names and patterns that are left.
            symbols: None where not all are told.
        """
        for kind, stream in self._streams.items():
            channel = CHANNEL_OF[kind]
            names = stream.keys() if symbols is None else stream.keys() & symbols
            for symbol in names - set(subscriptions.get(channel, ())):
                self._doubts[channel, symbol] = stream[symbol].seq

    @property
    def doubtful(self) -> set[tuple[str, str]]:
        """The streams, by channel and symbol, that may not be sent any more."""
        return {own for own in self._doubts if self._doubted(*own) is not None}

    def _doubted(self, channel: str, symbol: str) -> int | None:
        """Give the seq of a stream that is in doubt still: none has come since."""
        seq = self._doubts.get((channel, symbol))
        if seq is None or self._streams[KIND_OF[channel]][symbol].seq != seq:
            return None
        return seq


def _tick(entry: Tick | Mark) -> Tick | None:
    return entry.tick if isinstance(entry, Mark) else entry
