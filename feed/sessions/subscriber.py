"""A session as a subscriber: whose ticks it takes, and how far it has come in its streams.

No byte moves here. While a session is behind, its outbox asks here what a stream is to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feed.hub.cohort import Cohort, Member
from feed.hub.hub import Hub
from feed.hub.stream import Stream
from feed.hub.subscriptions import NOTHING, Subscriptions
from feed.sessions.catchup import CatchUp, Past
from feed.sessions.outbox import Account, Outbox
from feed.sessions.own import OwnTicks

if TYPE_CHECKING:
    from feed.sessions.tiers import Tier


class Subscriber:
    """What one session takes.

    Attributes:
        tier: where it is served from.
        batched: whether several ticks travel to it in one message.
        cohort: whose ticks it takes; None where it takes none.
        positions: last seq sent, of the streams taken at an interval.
        own: what the session publishes itself; None where nothing is kept from it.
    """

    __slots__ = ("batched", "cohort", "own", "positions", "tier")

    def __init__(self, tier: Tier, *, batched: bool) -> None:
        self.tier = tier
        self.batched = batched
        self.cohort: Cohort | None = None
        self.positions: dict[Stream, int] = {}
        self.own: OwnTicks | None = None

    @property
    def hub(self) -> Hub:
        """Where its ticks come from."""
        return self.tier.hub

    @property
    def subscriptions(self) -> Subscriptions:
        """What it takes, and on which terms."""
        return self.cohort.subscriptions if self.cohort else NOTHING

    def join(self, cohort: Cohort, member: Member, *, behind: bool) -> None:
        """Go over to another cohort; what was pending in either must have gone out.

        Args:
            member: the session, as its cohort sees it.
        """
        before, self.cohort = self.cohort, cohort
        cohort.join(member, behind=behind)
        if before is not None:
            before.leave(member)
            self._take_along(before, cohort)
            self.hub.index.drop_if_empty(before)

    def leave(self, member: Member) -> None:
        """Take nothing any more."""
        self.positions = {}
        cohort, self.cohort = self.cohort, None
        if cohort is not None:
            cohort.leave(member)
            self.hub.index.drop_if_empty(cohort)

    def forget(self, streams: set[Stream]) -> None:
        """Take note that streams are not subscribed any more."""
        for stream in streams:
            self.positions.pop(stream, None)
        if self.own is not None:
            self.own.forget(streams)

    def restart(self) -> dict[str, tuple[str, ...]]:
        """Begin a new numbering.

        Returns:
            The symbols whose snapshots are owed, with the channels that begin.
        """
        self.positions.clear()
        if self.own is not None:
            self.own.clear()
        channels: dict[str, tuple[str, ...]] = {}
        if self.cohort is not None:
            self.positions.update({stream: stream.seq for stream in self.cohort.latest})
            for stream in (*self.cohort.streams, *self.cohort.latest):
                channels[stream.symbol] = (*channels.get(stream.symbol, ()), stream.channel)
        return channels

    def snapshot(self, symbol: str, channels: tuple[str, ...]) -> bytes:
        """Give a snapshot as a message; it goes out now, so streams are sent up to its seqs."""
        for channel in channels if self.positions else ():
            stream = self.hub.index.find(channel, symbol)
            if stream in self.positions:
                self.positions[stream] = stream.seq
        allowed = self.subscriptions.rights.channels
        return self.tier.snapshots.frame(symbol, channels, allowed)

    def new_outbox(self) -> Outbox:
        """Give an outbox in which nothing is owed yet."""
        catch_up = CatchUp(
            Past(self.snapshot, self.hub.journal.payloads),
            batched=self.batched,
            positions=self.positions,
            own_since=self._own_since,
        )
        watermark_bytes = self.tier.limits.watermark_bytes
        return Outbox(Account(self.batched, watermark_bytes, self._conflates), catch_up)

    def _take_along(self, before: Cohort, cohort: Cohort) -> None:
        """Have a cohort tell of what was not taken at the intervals of the one before."""
        for stream in before.latest:
            interval = cohort.latest.get(stream)
            if interval is not None and stream.seq > self.positions.get(stream, 0):
                interval.tell(stream)

    def _conflates(self, stream: Stream) -> bool:
        return self.subscriptions.conflates(stream)

    def _own_since(self, stream: Stream) -> int | None:
        return None if self.own is None else self.own.newest(stream)
