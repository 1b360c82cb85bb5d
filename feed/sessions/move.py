"""What begins, changes and ends for a session that asks for something else than before.

It is worked out in steps, while ticks go on under the old terms; then the session goes over in one
step, and owes itself all of it at once. So every stream is joined where its snapshot was taken.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from feed.hub.cohort import Cohort
from feed.hub.steps import Pace, Steps
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.protocol.messages import Resume


class Move:
    """One change of subscriptions.

    Args:
        touched: what was added, removed, or has other terms.
        snapshot: whether streams that begin do so with a snapshot.
        resume: the last seqs that the client has.

    Attributes:
        positions: the streams that begin at an interval, with their seqs at that time.
        slowed: the streams that go on at an interval, and came tick by tick before.
        quickened: the streams that go on tick by tick, and came at an interval before.
        ended: the streams that are not delivered any more.
        snapshots: the symbols whose snapshot is owed, with the channels that begin.
        resumed: the streams that are to go on after the last seq that the client has.
    """

    def __init__(
        self,
        before: Subscriptions,
        after: Subscriptions,
        touched: Collection[Subscription] = (),
        *,
        snapshot: bool = True,
        resume: Resume | None = None,
    ) -> None:
        self.before = before
        self.after = after
        self.touched = touched
        self.positions: dict[Stream, int] = {}
        self.slowed: set[Stream] = set()
        self.quickened: set[Stream] = set()
        self.ended: set[Stream] = set()
        self.snapshots: dict[str, tuple[str, ...]] = {}
        self.resumed: dict[Stream, int] = {}
        self._snapshot = snapshot
        self._resume = resume

    @property
    def epoch(self) -> str | None:
        """The numbering of the seqs that the client has."""
        return self._resume.epoch if self._resume else None

    @property
    def may_end(self) -> bool:
        """Whether there may be streams that end."""
        less = any(own not in self.after for own in self.touched)
        return less or self.before.rights != self.after.rights

    def look_at(self, stream: Stream) -> None:
        """Find out what happens to one stream; asking again is fine.

        A stream that a wildcard waited for is no new one, though it never ticked.
        """
        was, now = self.before.terms_of(stream.channel, stream.symbol), self.after.terms_for(stream)
        self.ended.discard(stream)
        if was == now:
            return
        if now is None:
            self.ended.add(stream)
        elif was is None:
            self._begin(stream, now)
        elif was.delivery != "latest" == now.delivery:
            self.slowed.add(stream)
        elif was.delivery == "latest" != now.delivery:
            self.quickened.add(stream)

    def look_at_all(self, cohorts: Collection[Cohort], pace: Pace) -> Steps:
        """Find out about every stream of some cohorts, in steps.

        When it ends nothing is left out, so that the session can go over at that moment.
        """
        looked = [(taken, 0) for own in cohorts for taken in (own.streams, own.latest)]
        while any(len(taken) > count for taken, count in looked):
            fresh = [own for taken, count in looked for own in islice(taken, count, None)]
            looked = [(taken, len(taken)) for taken, _ in looked]
            for stream in fresh:
                self.look_at(stream)
                if pace():
                    yield

    def _begin(self, stream: Stream, terms: Terms) -> None:
        channel, symbol = stream.channel, stream.symbol
        if terms.delivery == "latest":
            self.positions[stream] = stream.seq
        last_seq = getattr(self._resume, channel).get(symbol) if self._resume else None
        if last_seq is not None:
            self.resumed[stream] = last_seq
        elif self._snapshot:
            self.snapshots[symbol] = (*self.snapshots.get(symbol, ()), channel)
