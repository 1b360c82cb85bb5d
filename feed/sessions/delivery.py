"""How one session is kept current: member of a cohort, owner of an outbox, writer to a socket.

While the socket takes everything, ticks come as the cohort's shared bytes and nothing is kept here.
From the first short write until everything is sent, the session lives in its outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import starmap
from typing import Final, Protocol

from feed.clock import Clock
from feed.hub.cohort import Cohort, Segment
from feed.hub.hub import Hub
from feed.hub.interval import Interval
from feed.hub.pending import Target, tick_frames
from feed.hub.steps import Pace, Steps
from feed.hub.stream import Stream
from feed.hub.subscriptions import NOTHING, Subscriptions
from feed.sessions.catchup import CatchUp, Log
from feed.sessions.limits import Limits
from feed.sessions.move import Move
from feed.sessions.outbox import Account, Entry, Outbox
from feed.sessions.own import OwnTicks
from feed.sessions.snapshots import Snapshots
from feed.ticks import Tick

TURN_BYTES: Final = 65_536
"""The most that one session writes before others get their turn."""

AT_ONCE: Final = 32
"""How many snapshots go out together with the word that they come, in one write."""

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


class Context(Protocol):
    """What all sessions that are served from one hub share."""

    hub: Hub
    clock: Clock
    limits: Limits
    snapshots: Snapshots
    later: Callable[[float, Callable[[], None]], object]


def _nothing() -> None:
    """Do nothing."""


class Delivery:
    """The streams of one session and the bytes on their way to it.

    Args:
        overflow: called when more is owed than the limit allows; it must end the session.

    Attributes:
        outbox: what is owed while the peer is behind; None while it keeps up.
        write: the transport's own, bound once, because it runs for every flush.
    """

    __slots__ = (
        "_batched",
        "_cohort",
        "_context",
        "_ended",
        "_held",
        "_overflow",
        "_own",
        "_positions",
        "_transport",
        "outbox",
        "write",
    )

    def __init__(
        self,
        transport: Transport,
        context: Context,
        *,
        batched: bool,
        overflow: Callable[[], None],
    ) -> None:
        self.outbox: Outbox | None = None
        self.write = transport.write
        self._transport = transport
        self._context = context
        self._batched = batched
        self._overflow = overflow
        self._cohort: Cohort | None = None
        self._positions: dict[Stream, int] = {}
        self._ended = False
        self._held = False
        self._own: OwnTicks | None = None

    @property
    def target(self) -> Target:
        """Where its cohort sends its bytes while it keeps up."""
        return self._transport.target

    @property
    def queued_bytes(self) -> int:
        """Bytes held for this session because its socket did not take them yet."""
        return self.outbox.queued_bytes if self.outbox else 0

    @property
    def subscriptions(self) -> Subscriptions:
        """What is delivered."""
        return self._cohort.subscriptions if self._cohort else NOTHING

    @property
    def hub(self) -> Hub:
        """Where its ticks come from."""
        return self._context.hub

    def serve_from(self, context: Context) -> bool:
        """Take ticks from another hub from now on; tells whether that can be.

        It cannot once something was subscribed or is owed: that is of the hub before.
        """
        if len(self.subscriptions) or self.outbox is not None:
            return False
        cohort, self._cohort = self._cohort, None
        if cohort is not None:
            cohort.leave(self)
            self.hub.index.drop_if_empty(cohort)
        self._positions = {}
        self._context = context
        return True

    def takes(self, stream: Stream) -> bool:
        """Tell whether a stream is delivered at the moment, tick by tick or at an interval."""
        cohort = self._cohort
        return cohort is not None and (stream in cohort.streams or stream in cohort.latest)

    # Streams that begin, change and end

    def move(self, move: Move, pace: Pace) -> Steps:
        """Go over to other subscriptions: in steps, up to the moment; `owe` comes next."""
        index, cohort = self._context.hub.index, self._cohort
        if self._own is not None:
            move.after = move.after.private_to(self)
        if cohort is not None and cohort.subscriptions == move.after:
            return
        if cohort is not None and index.may_alter(cohort, move.after, move.touched):
            self._alter(cohort, move)
            return
        with index.held(move.after, batched=self._batched) as new:
            yield from index.fill(new, pace)
            concerned = [new, cohort] if cohort and move.may_end else [new]
            yield from move.look_at_all(concerned, pace)
            self._change_over(new, move)

    def _alter(self, cohort: Cohort, move: Move) -> None:
        hub = self._context.hub
        hub.flush_cohort(cohort)
        if self._ended:  # that was more than the limit
            return
        streams = [hub.index.stream(*own) for own in move.touched]
        for stream in streams:
            move.look_at(stream)
        hub.index.alter(cohort, move.after, streams)

    def _change_over(self, new: Cohort, move: Move) -> None:
        """Leave one cohort and join the other; what is pending in either goes out before."""
        hub, old = self._context.hub, self._cohort
        if old is not None:
            hub.flush_cohort(old)
        if self._ended:
            return
        hub.flush_cohort(new)
        new.join(self, behind=self.outbox is not None)
        self._cohort = new
        if old is not None:
            old.leave(self)
            self._take_along(old, new)
            hub.index.drop_if_empty(old)

    def _take_along(self, old: Cohort, new: Cohort) -> None:
        """Have the new cohort tell of what was not taken at the intervals of the old one."""
        for stream in old.latest:
            interval = new.latest.get(stream)
            if interval is not None and stream.seq > self._positions.get(stream, 0):
                interval.tell(stream)

    def settle(self, told: bytes, move: Move) -> None:
        """Acknowledge a move, and account for what it began, changed and ended."""
        # Not above the newest: a new numbering may have begun while the move was worked out.
        self._positions.update({own: min(seq, own.seq) for own, seq in move.positions.items()})
        self._positions.update({stream: stream.seq for stream in move.slowed})
        snapshots = move.snapshots
        if self.outbox is None and len(snapshots) <= AT_ONCE and not move.resumed:
            told = b"".join([told, *starmap(self._snapshot, snapshots.items())])
            snapshots = {}
        self.send(told)
        for stream in move.quickened:
            position = self._positions.pop(stream, 0)
            if position < stream.seq:
                self._owing().catch_up.add_newest(stream, position + 1)
        if snapshots:
            self._owing().catch_up.add_snapshots(snapshots)
        if move.ended:
            self._end(move.ended)

    def resume(self, stream: Stream, first_seq: int | None) -> None:
        """Owe a stream from `first_seq` on, as far as the journal reaches back.

        Args:
            first_seq: None means that the client's numbering is not this one.
        """
        if first_seq is None:
            self._owing().catch_up.add_lost(stream)
        else:
            self._owing().catch_up.add_resume(stream, first_seq)

    def _end(self, streams: set[Stream]) -> None:
        """Owe nothing more of streams that were unsubscribed."""
        for stream in streams:
            self._positions.pop(stream, None)
        if self._own is not None:
            self._own.forget(streams)
        if self.outbox:
            self.outbox.forget(streams)

    def restart(self, told: bytes) -> None:
        """Tell of a new numbering, and owe the snapshots that it begins with.

        Ticks that are owed are given up, as their numbers mean nothing any more.
        """
        if self._ended:
            return
        outbox, self.outbox = self.outbox, None
        kept = outbox.without_ticks() if outbox else b""
        self._positions.clear()
        if self._own is not None:
            self._own.clear()
        self._owing().add_rest(kept + told)
        cohort, channels = self._cohort, dict[str, tuple[str, ...]]()
        if cohort is not None:
            self._positions.update({stream: stream.seq for stream in cohort.latest})
            for stream in (*cohort.streams, *cohort.latest):
                channels[stream.symbol] = (*channels.get(stream.symbol, ()), stream.channel)
            self._owing().catch_up.add_snapshots(channels)
        self._transport.want_write(True)

    # What the session publishes itself

    def hold_back(self) -> Steps:
        """Send what is pending, so that what comes next is only what this session publishes.

        From the first time on its cohort is its own: what it does not get must not be kept from
        others, and they pay nothing for it, neither per tick nor per flush.
        """
        if self._own is None:
            self._own = OwnTicks()
            if self._cohort is not None:
                held = self._cohort.subscriptions
                yield from self.move(Move(held, held), Pace())
        elif self._cohort is not None:
            self._context.hub.flush_cohort(self._cohort)

    def take_back(self, burst: list[Tick], own: list[Tick]) -> None:
        """Keep the session's own ticks from it, with a notice for each hole that this makes.

        Args:
            burst: all that was fanned out since `hold_back`, in order.
            own: those among it that are its own; the others are bars that they closed.
        """
        cohort = self._cohort
        if cohort is None or self._own is None:
            return
        cohort.clear()
        for entry in self._own.sift(burst, own, cohort, self._context.hub.index.stream_of):
            self._put(entry)

    def _put(self, entry: Entry) -> None:
        """Send one tick or notice in its place among those of its stream."""
        if self.outbox is None:
            batched = self._batched and not entry.is_notice
            self.send(b"".join(tick_frames([entry.payload], batched=batched)))
        elif not self._ended:
            self.outbox.add_entry(entry)
            self._check()

    def _own_since(self, stream: Stream) -> int | None:
        return None if self._own is None else self._own.newest(stream)

    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        """Owe the newest ticks of some streams, as far as they are taken at that interval."""
        latest = self._cohort.latest if self._cohort is not None else {}
        for stream in streams:
            if latest.get(stream) is interval:
                position = self._positions.setdefault(stream, 0)
                if stream.seq > position:
                    self._owing().catch_up.add_newest(stream, position + 1)
        self.drain()

    # Bytes out

    def send(self, frame: bytes) -> None:
        """Send a control frame, or owe it; nothing comes after a close."""
        if self._ended:
            return
        if self.outbox is None:
            sent = self.write(frame)
            if sent < len(frame):
                self._owing().add_rest(frame[sent:])
                self._transport.want_write(True)
        else:
            self.outbox.add_control(frame)
            self._check()

    def fall_behind(self, segment: Segment, sent: int) -> None:
        """Keep what a short write left of a segment; the cohort has noted it already."""
        self.outbox = self._new_outbox()
        self._transport.want_write(True)
        self.outbox.add_segment(segment, sent)
        self._check()

    def offer(self, segment: Segment) -> None:
        """Keep a whole segment, as earlier bytes are still unsent."""
        if self.outbox is not None:
            self.outbox.add_segment(segment)
            self._check()

    def drain(self) -> None:
        """Write what is owed until all is sent, the socket is full, or the turn is over."""
        outbox = self.outbox
        if outbox is None or self._held:
            return
        if self._cohort is not None:
            self._context.hub.flush_cohort(self._cohort)
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

    def withhold(self) -> None:
        """Leave the cohort, and write nothing at all before `finish`."""
        self.leave()
        self._held = True
        self._transport.want_write(False)

    def finish(self, last: bytes) -> None:
        """Leave the cohort, complete the frame that is on its way, send the last bytes, and end."""
        self.leave()
        self._held = False
        outbox, self.outbox = self.outbox, None
        rest = outbox.only_rest() if outbox else b""
        self.outbox = self._new_outbox()
        self.outbox.add_rest(rest + last)
        self._transport.want_write(True)
        self.drain()
        if self.outbox is not None:
            self._context.later(FAREWELL_S, self._transport.abort)

    def want_turn(self) -> None:
        """Have the session served, as there is something to be done for it."""
        self._transport.want_turn()

    def abort(self) -> None:
        """Let the socket go, whatever is still unsent."""
        self._transport.abort()

    def drop(self) -> None:
        """Owe nothing any more, as the socket has gone; the memory is free at once."""
        self.leave()
        self.outbox = None

    def leave(self) -> None:
        """Owe no tick any more."""
        self._ended = True
        self._overflow = _nothing  # it leads back to the session, and cycles are freed late
        self._positions = {}
        cohort, self._cohort = self._cohort, None
        if cohort is not None:
            cohort.leave(self)
            self._context.hub.index.drop_if_empty(cohort)

    def _caught_up(self, outbox: Outbox) -> None:
        self._context.hub.metrics.conflated += outbox.conflated_ticks
        self.outbox = None
        self._transport.want_write(False)
        if self._ended:
            self._transport.finish()
        elif self._cohort is not None:
            self._cohort.caught_up(self)

    def _check(self) -> None:
        if self.queued_bytes > self._context.limits.outbox_bytes and not self._ended:
            self._overflow()

    def _owing(self) -> Outbox:
        """Give the outbox, making it if need be; the caller drains it, or asks to be told."""
        if self.outbox is None:
            self.outbox = self._new_outbox()
            if self._cohort is not None:
                self._cohort.leave(self)
                self._cohort.join(self, behind=True)
        return self.outbox

    def _new_outbox(self) -> Outbox:
        hub = self._context.hub
        log = Log(self._snapshot, hub.journal.payloads)
        catch_up = CatchUp(
            log,
            batched=self._batched,
            positions=self._positions,
            own_since=self._own_since,
        )
        watermark_bytes = self._context.limits.watermark_bytes
        return Outbox(Account(self._batched, watermark_bytes, self._conflates), catch_up)

    def _conflates(self, stream: Stream) -> bool:
        terms = self.subscriptions.terms_of(stream.channel, stream.symbol)
        return terms is None or (terms.delivery == "adaptive" and not stream.is_event)

    def _snapshot(self, symbol: str, channels: tuple[str, ...]) -> bytes:
        for channel in channels if self._positions else ():
            stream = self._context.hub.index.find(channel, symbol)
            if stream in self._positions:
                self._positions[stream] = stream.seq
        allowed = self.subscriptions.rights.channels
        return self._context.snapshots.frame(symbol, channels, allowed)
