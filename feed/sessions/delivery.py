"""How its bytes reach one session: member of a cohort, owner of an outbox, writer to a socket.

While the socket takes everything, ticks come as the cohort's shared bytes and nothing is kept here.
From the first short write until everything is sent, the session lives in its outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from feed.hub.cohort import Cohort, Segment
from feed.hub.interval import Interval
from feed.hub.pending import Target, tick_frames
from feed.hub.stream import Stream
from feed.sessions.outbox import Entry, Outbox
from feed.sessions.subscriber import Subscriber

if TYPE_CHECKING:
    from feed.sessions.tiers import Tier

TURN_BYTES: Final = 65_536
"""The most that one session writes before others get their turn."""

FAREWELL_S: Final = 30.0
"""How long a peer may take to read up to the close; one that never reads would stay for ever."""


class Transport(Protocol):
    """The socket of one session."""

    @property
    def target(self) -> Target:
        """Where a cohort sends this session's bytes while it keeps up."""

    def write(self, buffer: bytes | memoryview) -> int:
        """Send without blocking and give the number of bytes taken; a dead socket takes all."""

    def want_turn(self) -> None:
        """Ask for calls of the session's `go_on`, for as long as it is busy."""

    def want_write(self, wanted: bool) -> None:
        """Ask for a call of `drain` when the socket takes bytes again."""

    def finish(self) -> None:
        """Close in good order: everything written is delivered first."""

    def abort(self) -> None:
        """Let the socket go, whatever is still unsent; asking twice is fine."""


def _nothing() -> None:
    """Do nothing."""


class Delivery:
    """The bytes of one session on their way to it.

    Args:
        overflow: called when more is owed than the limit allows; it must end the session.

    Attributes:
        subscriber: what the session takes.
        outbox: what is owed while the peer is behind; None while it keeps up.
        write: the transport's own, bound once, because it runs for every flush.
        ended: whether no tick is owed any more.
    """

    __slots__ = ("_held", "_overflow", "_transport", "ended", "outbox", "subscriber", "write")

    def __init__(
        self, transport: Transport, subscriber: Subscriber, *, overflow: Callable[[], None]
    ) -> None:
        self.subscriber = subscriber
        self.outbox: Outbox | None = None
        self.write = transport.write
        self.ended = False
        self._transport = transport
        self._overflow = overflow
        self._held = False

    @property
    def queued_bytes(self) -> int:
        """Bytes held for this session because its socket did not take them yet."""
        return self.outbox.queued_bytes if self.outbox else 0

    @property
    def target(self) -> Target:
        """Where its cohort sends its bytes while it keeps up."""
        return self._transport.target

    def fall_behind(self, segment: Segment, sent: int) -> None:
        """Keep what a short write left of a segment; the cohort has noted it already."""
        outbox = self.outbox = self.subscriber.new_outbox()
        self._transport.want_write(True)
        outbox.add_segment(segment, sent)
        self._check(outbox)

    def offer(self, segment: Segment) -> None:
        """Keep a whole segment, as earlier bytes are still unsent."""
        outbox = self.outbox
        if outbox is not None:
            outbox.add_segment(segment)
            self._check(outbox)

    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        """Owe the newest ticks of some streams, as far as they are taken at that interval."""
        cohort, positions = self.subscriber.cohort, self.subscriber.positions
        latest = cohort.latest if cohort is not None else {}
        for stream in streams:
            if latest.get(stream) is interval:
                position = positions.setdefault(stream, 0)
                if stream.seq > position:
                    self.owing().catch_up.add_newest(stream, position + 1)
        self.drain()

    def join(self, cohort: Cohort) -> None:
        """Go over to another cohort; what was pending in either must have gone out."""
        self.subscriber.join(cohort, self, behind=self.outbox is not None)

    def serve_from(self, tier: Tier) -> bool:
        """Take ticks from the hub of another tier from now on; tells whether that can be.

        It cannot once something was subscribed or is owed: that is of the hub before.
        """
        if len(self.subscriber.subscriptions) or self.outbox is not None:
            return False
        self.subscriber.leave(self)
        self.subscriber.tier = tier
        return True

    def send(self, frame: bytes) -> None:
        """Send a control frame, or owe it; nothing comes after a close."""
        if self.ended:
            return
        if self.outbox is None:
            sent = self.write(frame)
            if sent < len(frame):
                self.owing().add_rest(frame[sent:])
                self._transport.want_write(True)
        else:
            self.outbox.add_control(frame)
            self._check(self.outbox)

    def put(self, entry: Entry) -> None:
        """Send one tick or notice, or owe it, in its place among those of its stream."""
        if self.outbox is None:
            batched = self.subscriber.batched and not entry.is_notice
            self.send(b"".join(tick_frames([entry.payload], batched=batched)))
        elif not self.ended:
            self.outbox.add_entry(entry)
            self._check(self.outbox)

    def owing(self) -> Outbox:
        """Give the outbox, making it if need be; the caller drains it, or asks to be told."""
        if self.outbox is None:
            self.outbox = self.subscriber.new_outbox()
            cohort = self.subscriber.cohort
            if cohort is not None:
                cohort.leave(self)
                cohort.join(self, behind=True)
        return self.outbox

    def forget(self, streams: set[Stream]) -> None:
        """Owe nothing more of streams that were unsubscribed."""
        self.subscriber.forget(streams)
        if self.outbox is not None:
            self.outbox.forget(streams)

    def restart(self, told: bytes) -> None:
        """Tell of a new numbering, and owe the snapshots that it begins with.

        Ticks that are owed are given up, as their numbers mean nothing any more.
        """
        if self.ended:
            return
        outbox, self.outbox = self.outbox, None
        kept = outbox.without_ticks() if outbox is not None else b""
        channels = self.subscriber.restart()
        owing = self.owing()
        owing.add_rest(kept + told)
        owing.catch_up.add_snapshots(channels)
        self._transport.want_write(True)

    def _check(self, outbox: Outbox) -> None:
        limit_bytes = self.subscriber.tier.limits.outbox_bytes
        if outbox.queued_bytes > limit_bytes and not self.ended:
            self._overflow()

    def drain(self) -> None:
        """Write what is owed until all is sent, the socket is full, or the turn is over."""
        outbox = self.outbox
        if outbox is None or self._held:
            return
        subscriber = self.subscriber
        if subscriber.cohort is not None:
            subscriber.tier.hub.flush_cohort(subscriber.cohort)
        written, full = 0, False
        while written < TURN_BYTES and not (full or outbox.empty) and outbox is self.outbox:
            chunk = outbox.next_bytes()
            sent = self.write(chunk)
            outbox.sent(sent)
            written += sent
            full = sent < len(chunk)
        if outbox is not self.outbox:  # the session ended on the way
            return
        if outbox.empty:
            self._caught_up(outbox)
        else:
            self._transport.want_write(True)

    def _caught_up(self, outbox: Outbox) -> None:
        subscriber = self.subscriber
        subscriber.hub.metrics.conflated += outbox.conflated_ticks
        self.outbox = None
        self._transport.want_write(False)
        if self.ended:
            self._transport.finish()
        elif subscriber.cohort is not None:
            subscriber.cohort.caught_up(self)

    def want_turn(self) -> None:
        """Have the session served, as there is something to be done for it."""
        self._transport.want_turn()

    def withhold(self) -> None:
        """Owe no tick any more, and write nothing at all before `finish`."""
        self._end()
        self._held = True
        self._transport.want_write(False)

    def finish(self, last: bytes) -> None:
        """Complete the frame that is on its way, send the last bytes, and end."""
        self._end()
        self._held = False
        rest = self.outbox.only_rest() if self.outbox is not None else b""
        self.outbox = self.subscriber.new_outbox()
        self.outbox.add_rest(rest + last)
        self._transport.want_write(True)
        self.drain()
        if self.outbox is not None:
            self.subscriber.tier.later(FAREWELL_S, self._transport.abort)

    def abort(self) -> None:
        """Let the socket go, whatever is still unsent."""
        self._transport.abort()

    def drop(self) -> None:
        """Owe nothing any more, as the socket has gone; the memory is free at once."""
        self._end()
        self.outbox = None

    def _end(self) -> None:
        self.ended = True
        self._overflow = _nothing  # it leads back to the session, and cycles are freed late
        self.subscriber.leave(self)
