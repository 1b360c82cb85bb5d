"""What begins, changes and ends for a session that asks for something else than before.

It is worked out in steps, while ticks go on under the old terms; then the session goes over in one
step, and owes itself all of it at once. So every stream is joined where its snapshot was taken.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice, starmap
from typing import Final

from feed.hub.cohort import Cohort
from feed.hub.steps import Pace, Steps
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.protocol.messages import Resume
from feed.sessions.delivery import Delivery

AT_ONCE: Final = 32
"""How many snapshots go out together with the word that they come, in one write."""


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
        else:
            was_latest, now_latest = was.delivery == "latest", now.delivery == "latest"
            if now_latest and not was_latest:
                self.slowed.add(stream)
            elif was_latest and not now_latest:
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

    def make(self, delivery: Delivery, pace: Pace) -> Steps:
        """Have a session go over: in steps, up to the moment; `settle` comes next."""
        subscriber = delivery.subscriber
        index, cohort = subscriber.hub.index, subscriber.cohort
        if subscriber.own is not None:
            self.after = self.after.private_to(subscriber)
        if cohort is not None and cohort.subscriptions == self.after:
            return
        if cohort is not None and index.may_alter(cohort, self.after, self.touched):
            self._alter(delivery, cohort)
            return
        with index.held(self.after, batched=subscriber.batched) as new:
            yield from index.fill(new, pace)
            concerned = [new, cohort] if cohort and self.may_end else [new]
            yield from self.look_at_all(concerned, pace)
            _go_over(delivery, new)

    def settle(self, delivery: Delivery, told: bytes, epoch: str) -> None:
        """Acknowledge the move that was made, and owe what it brought.

        Args:
            told: the acknowledgement.
            epoch: the numbering of the feed.
        """
        self._note_positions(delivery.subscriber.positions)
        snapshots = self.snapshots
        if delivery.outbox is None and len(snapshots) <= AT_ONCE and not self.resumed:
            frames = starmap(delivery.subscriber.snapshot, snapshots.items())
            told, snapshots = b"".join([told, *frames]), {}
        delivery.send(told)
        if delivery.ended:  # that was more than the limit
            return
        self._quicken(delivery)
        if snapshots:
            delivery.owing().catch_up.add_snapshots(snapshots)
        if self.ended:
            delivery.forget(self.ended)
        self._owe_resumed(delivery, epoch)
        delivery.drain()

    def _begin(self, stream: Stream, terms: Terms) -> None:
        channel, symbol = stream.channel, stream.symbol
        if terms.delivery == "latest":
            self.positions[stream] = stream.seq
        last_seq = getattr(self._resume, channel).get(symbol) if self._resume else None
        if last_seq is not None:
            self.resumed[stream] = last_seq
        elif self._snapshot:
            self.snapshots[symbol] = (*self.snapshots.get(symbol, ()), channel)

    def _alter(self, delivery: Delivery, cohort: Cohort) -> None:
        """Let a cohort go along with its only member."""
        hub = delivery.subscriber.hub
        hub.flush_cohort(cohort)
        if delivery.ended:  # that was more than the limit
            return
        streams = [hub.index.stream(*own) for own in self.touched]
        for stream in streams:
            self.look_at(stream)
        hub.index.alter(cohort, self.after, streams)

    def _note_positions(self, positions: dict[Stream, int]) -> None:
        # Not above the newest: a new numbering may have begun while the move was worked out.
        positions.update({own: min(seq, own.seq) for own, seq in self.positions.items()})
        positions.update({stream: stream.seq for stream in self.slowed})

    def _quicken(self, delivery: Delivery) -> None:
        """Owe what was not taken yet at the interval before."""
        for stream in self.quickened:
            position = delivery.subscriber.positions.pop(stream, 0)
            if position < stream.seq:
                delivery.owing().catch_up.add_newest(stream, position + 1)

    def _owe_resumed(self, delivery: Delivery, epoch: str) -> None:
        """Owe streams from where the client was cut off, as far as the journal reaches back."""
        for stream, last_seq in self.resumed.items():
            catch_up = delivery.owing().catch_up
            if self.epoch == epoch and last_seq <= stream.seq:
                catch_up.add_resume(stream, last_seq + 1)
            else:  # the client's numbering is not this one
                catch_up.add_lost(stream)


def _go_over(delivery: Delivery, new: Cohort) -> None:
    """Leave one cohort and join the other; what is pending in either goes out before."""
    hub, old = delivery.subscriber.hub, delivery.subscriber.cohort
    if old is not None:
        hub.flush_cohort(old)
    if delivery.ended:  # that was more than the limit
        return
    hub.flush_cohort(new)
    delivery.join(new)
