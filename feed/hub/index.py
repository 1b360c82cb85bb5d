"""Who is subscribed to what, in both directions: stream -> cohorts and cohort -> streams.

A stream begins with its first tick. One that was only asked for by name is kept apart until then,
for as long as somebody asks for it; wildcards do not see it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from feed.hub.cohort import Cohort
from feed.hub.interval import Interval
from feed.hub.steps import STEP, Pace, Steps
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions
from feed.symbols import is_wildcard
from feed.ticks import CHANNEL_OF, CHANNELS, Tick

Key = tuple[bool, Subscriptions]

TIDY_STREAMS: Final = 2 * STEP
"""How many streams are detached at a time: faster than sessions can attach them in their turns."""


class Index:
    """Every stream and every cohort of a node.

    Args:
        opened: told of each stream before its first tick.
        soon: calls a function once, after others had their turn.

    Attributes:
        by_kind: streams that have ticked, by tick class and symbol, for the path of a tick.
        ticked: the same by symbol, for each of CHANNELS.
        woken: told when a cohort has something to take at an interval.
    """

    def __init__(
        self,
        opened: Callable[[Stream], None] = lambda stream: None,
        soon: Callable[[Callable[[], None]], object] = lambda call: call(),
    ) -> None:
        self.woken: Callable[[Interval], None] = lambda interval: None
        self._opened = opened
        self._soon = soon
        self._ticked: dict[str, dict[str, Stream]] = {name: {} for name in CHANNELS}
        self._named: dict[str, dict[str, Stream]] = {name: {} for name in CHANNELS}
        self.ticked = tuple(self._ticked.values())
        self.by_kind = {kind: self._ticked[name] for kind, name in CHANNEL_OF.items()}
        self._cohorts: dict[Key, Cohort] = {}
        self._wildcards: dict[Cohort, None] = {}
        self._unfilled: dict[Cohort, None] = {}
        self._held: dict[Cohort, int] = {}
        self._dropped: deque[Cohort] = deque()

    @property
    def cohorts(self) -> Iterable[Cohort]:
        """Every cohort that has a member, or will have one soon."""
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
        """Give the stream of a tick; it begins with the first one."""
        channel, symbol = CHANNEL_OF[tick.__class__], tick.symbol
        return self._ticked[channel].get(symbol) or self.begin(channel, symbol)

    def begin(self, channel: str, symbol: str) -> Stream:
        """Begin a stream, as its first tick is there; wildcard cohorts that match take it in."""
        stream = self._named[channel].pop(symbol, None) or Stream(channel, symbol)
        self._ticked[channel][symbol] = stream
        self._opened(stream)
        for cohort in self._wildcards:
            self._attach(cohort, stream)
        return stream

    @contextmanager
    def held(self, subscriptions: Subscriptions, *, batched: bool) -> Iterator[Cohort]:
        """Give the cohort of sessions that asked for exactly this, making it when it is new.

        It stays while it is held; `fill` it before anybody joins.
        """
        cohort = self._cohorts.get((batched, subscriptions))
        if cohort is None:
            cohort = Cohort(subscriptions, batched=batched)
            self._cohorts[batched, subscriptions] = cohort
            self._unfilled[cohort] = None
            if subscriptions.wildcards:
                self._wildcards[cohort] = None
        self._held[cohort] = self._held.get(cohort, 0) + 1
        try:
            yield cohort
        finally:
            self._held[cohort] -= 1
            if not self._held[cohort]:
                del self._held[cohort]
                self.drop_if_empty(cohort)

    def fill(self, cohort: Cohort, pace: Pace) -> Steps:
        """Attach every stream that a new cohort takes, in steps."""
        if cohort not in self._unfilled:
            return
        for channel, pattern in cohort.subscriptions:
            if not is_wildcard(pattern):
                self._attach(cohort, self.stream(channel, pattern))
                if pace():
                    yield
        for channel in {own.channel for own in cohort.subscriptions.wildcards}:
            for stream in list(self._ticked[channel].values()):
                self._attach(cohort, stream)
                if pace():
                    yield
        self._unfilled.pop(cohort, None)

    def may_alter(
        self, cohort: Cohort, subscriptions: Subscriptions, touched: Collection[Subscription]
    ) -> bool:
        """Tell whether a cohort can go along with its only member, who asks for something else.

        So that adding symbols one by one costs no more than the symbols.

        Args:
            touched: what was added, removed, or has other terms.
        """
        key = cohort.batched, subscriptions
        shared = cohort.members > 1 or cohort in self._held or key in self._cohorts
        same_rights = cohort.subscriptions.rights == subscriptions.rights
        few_names = len(touched) <= STEP and not any(is_wildcard(own.pattern) for own in touched)
        return not shared and same_rights and few_names

    def alter(self, cohort: Cohort, subscriptions: Subscriptions, streams: list[Stream]) -> None:
        """Let a cohort ask for something else, as far as these streams go."""
        del self._cohorts[cohort.batched, cohort.subscriptions]
        cohort.subscriptions = subscriptions
        self._cohorts[cohort.batched, subscriptions] = cohort
        for stream in streams:
            _detach(cohort, stream)
            if subscriptions.terms_for(stream):
                self._attach(cohort, stream)
            if stream in cohort.latest:  # it may have ticked at the interval before
                cohort.latest[stream].tell(stream)
            self._forget_if_unused(stream)

    def drop_if_empty(self, cohort: Cohort) -> None:
        """Forget a cohort whose last member has left, and the streams that only it asked for."""
        key = cohort.batched, cohort.subscriptions
        if cohort.members or cohort in self._held or self._cohorts.get(key) is not cohort:
            return
        del self._cohorts[key]
        self._wildcards.pop(cohort, None)
        self._unfilled.pop(cohort, None)
        self._dropped.append(cohort)
        if len(self._dropped) == 1:
            self._tidy()

    def _tidy(self) -> None:
        """Detach the cohorts that were dropped, some streams at a time."""
        for _ in range(TIDY_STREAMS):
            if not self._dropped:
                return
            cohort = self._dropped[0]
            if cohort.streams:
                stream, _ = cohort.streams.popitem()
            elif cohort.latest:
                stream, interval = cohort.latest.popitem()
                interval.forget(stream)
            else:
                self._dropped.popleft()
                continue
            _let_go(cohort, stream)
            self._forget_if_unused(stream)
        self._soon(self._tidy)

    def _attach(self, cohort: Cohort, stream: Stream) -> None:
        terms = cohort.subscriptions.terms_of(stream.channel, stream.symbol)
        if terms is None:
            return
        if terms.delivery != "latest":
            cohort.streams[stream] = None
            stream.cohorts[cohort] = None
            stream.takers = None
            return
        interval = cohort.intervals.get(terms.interval_ms)
        if interval is None:
            interval = Interval(cohort, terms.interval_ms, lambda own: self.woken(own))
            cohort.intervals[terms.interval_ms] = interval
        cohort.latest[stream] = interval
        stream.latest[cohort] = None
        interval.ask([stream])

    def _forget_if_unused(self, stream: Stream) -> None:
        if stream.unused:
            self._named[stream.channel].pop(stream.symbol, None)


def _detach(cohort: Cohort, stream: Stream) -> None:
    cohort.streams.pop(stream, None)
    interval = cohort.latest.pop(stream, None)
    if interval is not None:
        interval.forget(stream)
    _let_go(cohort, stream)


def _let_go(cohort: Cohort, stream: Stream) -> None:
    stream.cohorts.pop(cohort, None)
    stream.latest.pop(cohort, None)
    stream.takers = None
