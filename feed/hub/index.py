"""Who is subscribed to what, in both directions: stream -> cohorts and cohort -> streams."""

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
        opened: told of each new stream before it is used.

    Attributes:
        by_kind: streams by tick class and symbol, for the path of a tick.
    """

    def __init__(self, opened: Callable[[Stream], None] = lambda stream: None) -> None:
        self._opened = opened
        self._by_channel: dict[str, dict[str, Stream]] = {name: {} for name in CHANNELS}
        self.by_kind = {kind: self._by_channel[name] for kind, name in CHANNEL_OF.items()}
        self._cohorts: dict[Key, Cohort] = {}
        self._wildcards: dict[Cohort, None] = {}

    @property
    def cohorts(self) -> Iterable[Cohort]:
        """Every cohort that has a member."""
        return self._cohorts.values()

    def streams(self) -> Iterator[Stream]:
        """Give every stream."""
        for streams in self._by_channel.values():
            yield from streams.values()

    def symbols(self) -> set[str]:
        """Give every symbol that has a stream."""
        return set().union(*self._by_channel.values())

    def find(self, channel: str, symbol: str) -> Stream | None:
        """Give a stream if it is there."""
        return self._by_channel[channel].get(symbol)

    def stream(self, channel: str, symbol: str) -> Stream:
        """Give a stream, making it when it is new; wildcard cohorts that match take it in."""
        stream = self._by_channel[channel].get(symbol)
        if stream is None:
            stream = self._by_channel[channel][symbol] = Stream(channel, symbol)
            self._opened(stream)
            for cohort in self._wildcards:
                _attach(cohort, stream)
        return stream

    def stream_of(self, tick: Tick) -> Stream:
        """Give the stream a tick belongs to, making it when it is new."""
        return self.stream(CHANNEL_OF[tick.__class__], tick.symbol)

    def matching(self, channel: str, pattern: str) -> list[Stream]:
        """Give the streams a subscription takes, making the one that an exact symbol names."""
        if not is_wildcard(pattern):
            return [self.stream(channel, pattern)]
        prefix = pattern[:-1]
        return [
            stream
            for symbol, stream in self._by_channel[channel].items()
            if symbol.startswith(prefix)
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
        shared = len(cohort) > 1 or (cohort.batched, subscriptions) in self._cohorts
        other_rights = cohort.subscriptions.rights != subscriptions.rights
        if shared or other_rights or cohort.subscriptions.wildcards or subscriptions.wildcards:
            return self.cohort(subscriptions, batched=cohort.batched)
        del self._cohorts[cohort.batched, cohort.subscriptions]
        old, cohort.subscriptions = cohort.subscriptions, subscriptions
        self._cohorts[cohort.batched, subscriptions] = cohort
        for channel, symbol in old.differing(subscriptions):
            stream = self.stream(channel, symbol)
            self._detach(cohort, stream)
            if (channel, symbol) in subscriptions:  # the same stream, though nobody had it for now
                _attach(cohort, self._by_channel[channel].setdefault(symbol, stream))
        return cohort

    def drop_if_empty(self, cohort: Cohort) -> None:
        """Forget a cohort whose last member has left, and its streams that hold nothing."""
        if len(cohort) or self._cohorts.pop((cohort.batched, cohort.subscriptions), None) is None:
            return
        self._wildcards.pop(cohort, None)
        for stream in [*cohort.streams, *cohort.latest]:
            self._detach(cohort, stream)

    def _attach_all(self, cohort: Cohort) -> None:
        for channel, pattern in cohort.subscriptions:
            for stream in self.matching(channel, pattern):
                _attach(cohort, stream)
        if cohort.subscriptions.wildcards:
            self._wildcards[cohort] = None

    def _detach(self, cohort: Cohort, stream: Stream) -> None:
        cohort.streams.pop(stream, None)
        cohort.latest.pop(stream, None)
        for takers in (stream.plain, stream.batched, stream.latest):
            takers.pop(cohort, None)
        stream.heard = bool(stream.plain or stream.batched)
        if stream.unused:
            self._by_channel[stream.channel].pop(stream.symbol, None)


def _attach(cohort: Cohort, stream: Stream) -> None:
    terms = cohort.subscriptions.terms_of(stream.channel, stream.symbol)
    if terms is None:
        return
    if terms.delivery == "latest":
        cohort.latest[stream] = None
        stream.latest[cohort] = None
        return
    cohort.streams[stream] = None
    takers = stream.batched if cohort.batched else stream.plain
    takers[cohort] = cohort.append
    stream.heard = True
