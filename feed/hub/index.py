"""Who is subscribed to what, in both directions: stream -> cohorts and cohort -> streams.

A stream begins with its first tick. One that was only asked for by name is kept apart until then,
for as long as somebody asks for it; wildcards do not see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from feed.hub.cohort import Cohort
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.symbols import is_wildcard
from feed.ticks import CHANNEL_OF, CHANNELS, Tick

Key = tuple[bool, Subscriptions]


class Index:
    """Every stream and every cohort of a node.

    Args:
        opened: told of each stream before its first tick.

    Attributes:
        by_kind: streams that have ticked, by tick class and symbol, for the path of a tick.
    """

    def __init__(self, opened: Callable[[Stream], None] = lambda stream: None) -> None:
        self._opened = opened
        self._ticked: dict[str, dict[str, Stream]] = {name: {} for name in CHANNELS}
        self._named: dict[str, dict[str, Stream]] = {name: {} for name in CHANNELS}
        self.by_kind = {kind: self._ticked[name] for kind, name in CHANNEL_OF.items()}
        self._cohorts: dict[Key, Cohort] = {}
        self._wildcards: dict[Cohort, None] = {}

    @property
    def cohorts(self) -> Iterable[Cohort]:
        """Every cohort that has a member."""
        return self._cohorts.values()

    def streams(self) -> Iterator[Stream]:
        """Give every stream that has ticked."""
        for streams in self._ticked.values():
            yield from streams.values()

    def find(self, channel: str, symbol: str) -> Stream | None:
        """Give a stream if it is there."""
        return self._ticked[channel].get(symbol) or self._named[channel].get(symbol)

    def stream(self, channel: str, symbol: str) -> Stream:
        """Give the stream that somebody names, making it when it is new."""
        stream = self.find(channel, symbol)
        if stream is None:
            stream = self._named[channel][symbol] = Stream(channel, symbol)
        return stream

    def stream_of(self, tick: Tick) -> Stream:
        """Give the stream of a tick; with the first one, wildcard cohorts that match take it in."""
        channel, symbol = CHANNEL_OF[tick.__class__], tick.symbol
        stream = self._ticked[channel].get(symbol)
        if stream is None:
            stream = self._named[channel].pop(symbol, None) or Stream(channel, symbol)
            self._ticked[channel][symbol] = stream
            self._opened(stream)
            for cohort in self._wildcards:
                _attach(cohort, stream)
        return stream

    def matching(self, channel: str, pattern: str) -> list[Stream]:
        """Give the streams a subscription takes, making the one that an exact symbol names."""
        if not is_wildcard(pattern):
            return [self.stream(channel, pattern)]
        prefix = pattern[:-1]
        return [
            stream for symbol, stream in self._ticked[channel].items() if symbol.startswith(prefix)
        ]

    def cohort(self, subscriptions: Subscriptions, *, batched: bool) -> Cohort:
        """Give the cohort of sessions that asked for exactly this, making it when it is new."""
        key = (batched, subscriptions)
        cohort = self._cohorts.get(key)
        if cohort is None:
            cohort = self._cohorts[key] = Cohort(subscriptions, batched=batched)
            self._attach_all(cohort)
        return cohort

    def moved(self, cohort: Cohort, subscriptions: Subscriptions) -> Cohort:
        """Give the cohort for a member of `cohort` whose subscriptions change to these.

        The only member of a cohort takes it along, so that adding symbols one by one costs no more
        than the symbols. The caller lets the member leave the old cohort and join the one given.
        """
        changes = cohort.subscriptions.differing(subscriptions)
        shared = cohort.members > 1 or (cohort.batched, subscriptions) in self._cohorts
        other_rights = cohort.subscriptions.rights != subscriptions.rights
        if shared or other_rights or any(is_wildcard(own.pattern) for own in changes):
            return self.cohort(subscriptions, batched=cohort.batched)
        del self._cohorts[cohort.batched, cohort.subscriptions]
        cohort.subscriptions = subscriptions
        self._cohorts[cohort.batched, subscriptions] = cohort
        for channel, symbol in changes:
            self._reattach(cohort, self.stream(channel, symbol))
        return cohort

    def drop_if_empty(self, cohort: Cohort) -> None:
        """Forget a cohort whose last member has left, and the streams that only it asked for."""
        if (
            cohort.members
            or self._cohorts.pop((cohort.batched, cohort.subscriptions), None) is None
        ):
            return
        self._wildcards.pop(cohort, None)
        for stream in [*cohort.streams, *cohort.latest]:
            _detach(cohort, stream)
            self._forget_if_unused(stream)

    def _attach_all(self, cohort: Cohort) -> None:
        wildcards = cohort.subscriptions.wildcards
        for channel, pattern in cohort.subscriptions:
            if not is_wildcard(pattern):
                _attach(cohort, self.stream(channel, pattern))
        for channel in {own.channel for own in wildcards}:
            for stream in self._ticked[channel].values():
                _attach(cohort, stream)
        if wildcards:
            self._wildcards[cohort] = None

    def _reattach(self, cohort: Cohort, stream: Stream) -> None:
        """Bring one stream in line with what a cohort now asks for."""
        _detach(cohort, stream)
        named = (stream.channel, stream.symbol) in cohort.subscriptions
        if named or stream.symbol in self._ticked[stream.channel]:
            _attach(cohort, stream)
        self._forget_if_unused(stream)

    def _forget_if_unused(self, stream: Stream) -> None:
        if stream.unused:
            self._named[stream.channel].pop(stream.symbol, None)


def _attach(cohort: Cohort, stream: Stream) -> None:
    terms = cohort.subscriptions.terms_of(stream.channel, stream.symbol)
    if terms is None:
        return
    if terms.delivery == "latest":
        cohort.latest[stream] = None
        stream.latest[cohort] = None
        return
    cohort.streams[stream] = None
    stream.cohorts[cohort] = None
    stream.takers = None


def _detach(cohort: Cohort, stream: Stream) -> None:
    cohort.streams.pop(stream, None)
    cohort.latest.pop(stream, None)
    stream.cohorts.pop(cohort, None)
    stream.latest.pop(cohort, None)
    stream.takers = None
