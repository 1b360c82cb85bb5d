"""One client's conversation: what it asked for, and how it is kept current and kept honest.

A session moves no bytes itself: its transport does, on Tornado's or on any other socket. All it
does is synchronous, and what it owes to a slow peer lives in its outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from feed import codes
from feed.clock import Clock
from feed.codes import STAY_AWAY, CloseCode
from feed.errors import MessageError
from feed.hub.cohort import Cohort, Segment
from feed.hub.hub import Hub
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.protocol.codec import encode, read_command
from feed.protocol.frames import close_frame, text_frame
from feed.protocol.messages import (
    Answer,
    Authenticate,
    Closing,
    ErrorMessage,
    Ping,
    Pong,
    Rejection,
    Resumed,
    Snapshot,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from feed.sessions.limits import Limits
from feed.sessions.outbox import Account, Outbox
from feed.sessions.requests import Universe, read_channels, read_subscriptions

TURN_BYTES = 262_144
"""The most that one session writes before others get their turn."""


class Transport(Protocol):
    """The socket of one session."""

    def write(self, buffer: bytes | memoryview) -> int:
        """Send without blocking and give the number of bytes taken; a dead socket takes all."""

    def want_write(self, wanted: bool) -> None:
        """Ask to be told by `drain` when the socket takes bytes again."""

    def finish(self) -> None:
        """Close in good order: everything written is delivered first."""


class Context(Protocol):
    """What the sessions of one process share."""

    hub: Hub
    clock: Clock
    limits: Limits
    universe: Universe

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call once, after a delay."""

    def closed(self, session: Session, code: int) -> None:
        """Be told that a session has ended, once."""


class Session:
    """One conversation, from `open` to `end`.

    Attributes:
        name: what logs, metrics and the client call it.
        outbox: what is owed while the peer is behind; None while it keeps up.
    """

    __slots__ = (
        "_batched",
        "_cohort",
        "_context",
        "_intervals",
        "_positions",
        "_transport",
        "closing",
        "name",
        "outbox",
        "write",
    )

    def __init__(self, name: str, transport: Transport, context: Context, *, batched: bool) -> None:
        self.name = name
        self.outbox: Outbox | None = None
        self.closing = False
        self.write = transport.write
        self._transport = transport
        self._context = context
        self._batched = batched
        self._cohort: Cohort | None = None
        self._positions: dict[Stream, int] = {}
        self._intervals: set[int] = set()

    @property
    def queued_bytes(self) -> int:
        """Bytes held for this session because its socket did not take them yet."""
        return self.outbox.queued_bytes if self.outbox else 0

    @property
    def subscriptions(self) -> Subscriptions:
        """What it asked for."""
        return self._cohort.subscriptions if self._cohort else Subscriptions()

    # The client's commands

    def receive(self, payload: bytes) -> None:
        """Carry out one command; one that is not understood is answered and changes nothing."""
        if self.closing:
            return
        try:
            command = read_command(payload)
            match command:
                case Subscribe():
                    self._subscribe(command)
                case Unsubscribe():
                    self._unsubscribe(command)
                case Ping():
                    self.send(Pong(self._context.clock.now_ns(), id=command.id))
                case Authenticate():
                    text = "authentication is not enabled on this feed, subscribe without it"
                    raise MessageError(codes.NOT_ENABLED, text, id=command.id)
        except MessageError as error:
            self._context.hub.metrics.errors_told += 1
            self.send(ErrorMessage(error.code, str(error), id=error.id))

    def _subscribe(self, command: Subscribe) -> None:
        channels = read_channels(command.channels, command.id)
        asked, rejected = read_subscriptions(command.symbols, channels, self._context.universe)
        interval_ms = command.interval_ms if command.delivery == "latest" else 0
        terms = Terms(command.delivery, interval_ms)
        before = self.subscriptions
        after = before.changed({own: terms for own in asked})
        self._check_limits(after, command.id)
        self._move(after)
        self._send_ack(command.id, rejected)
        for stream in self._new_streams(asked, before):
            self._begin(stream, command)
        self._arm(interval_ms)
        self.drain()

    def _unsubscribe(self, command: Unsubscribe) -> None:
        channels = read_channels(command.channels, command.id)
        named = {Subscription(channel, name) for channel in channels for name in command.symbols}
        before = self.subscriptions
        gone = {own for own in named if own in before}
        missing = set(command.symbols) - {own.pattern for own in gone}
        text = "is not subscribed on these channels"
        rejected = [
            Rejection(name[:64], codes.NOT_SUBSCRIBED, f"{name[:64]} {text}")
            for name in sorted(missing)
        ]
        after = before.changed({}, gone)
        ended = self._ended_streams(gone, after)
        self._move(after)
        for stream in ended:
            self._positions.pop(stream, None)
        if self.outbox:
            self.outbox.forget(ended)
        self._send_ack(command.id, rejected)

    def _check_limits(self, after: Subscriptions, id: int | str | None) -> None:
        limits = self._context.limits
        if len(after) > limits.symbols or len(after.wildcards) > limits.wildcards:
            text = (
                f"a session may hold {limits.symbols} subscriptions and {limits.wildcards} "
                f"wildcards, this would make {len(after)} and {len(after.wildcards)}"
            )
            raise MessageError(codes.LIMIT_EXCEEDED, text, id=id)

    def _send_ack(self, id: int | str | None, rejected: list[Rejection]) -> None:
        self.send(Subscribed(self.subscriptions.by_channel(), id=id, rejected=rejected))

    # Streams that begin, change and end

    def _new_streams(self, asked: list[Subscription], before: Subscriptions) -> list[Stream]:
        """Give the streams this command added; those already running only change their terms."""
        index = self._context.hub.index
        found: dict[Stream, None] = {}
        for channel, pattern in asked:
            for stream in index.matching(channel, pattern):
                old = before.terms_of(channel, stream.symbol)
                if old is None:
                    found[stream] = None
                else:
                    self._change(stream, old)
        return list(found)

    def _ended_streams(self, gone: set[Subscription], after: Subscriptions) -> set[Stream]:
        index = self._context.hub.index
        return {
            stream
            for channel, pattern in gone
            for stream in index.matching(channel, pattern)
            if after.terms_of(channel, stream.symbol) is None
        }

    def _begin(self, stream: Stream, command: Subscribe) -> None:
        if self._is_latest(stream):
            self._positions[stream] = stream.seq
        resume = command.resume
        last_seq = getattr(resume, stream.channel).get(stream.symbol) if resume else None
        if last_seq is not None and last_seq != stream.seq:
            self._tell_lost(stream, last_seq)
        if command.snapshot:
            self._owing().add_snapshot(stream.symbol, (stream.channel,))

    def _tell_lost(self, stream: Stream, last_seq: int) -> None:
        first, last = last_seq + 1, stream.seq
        self.send(Resumed(stream.channel, stream.symbol, first, last, complete=False))

    def _change(self, stream: Stream, old: Terms) -> None:
        """Go from interval to every tick or back, with nothing sent twice and nothing left out."""
        if self._is_latest(stream):
            self._positions.setdefault(stream, stream.seq)
        elif old.delivery == "latest":
            position = self._positions.pop(stream, 0)
            if position < stream.seq:
                self._owing().add_newest(stream, position + 1)

    def _is_latest(self, stream: Stream) -> bool:
        return self._cohort is not None and stream in self._cohort.latest

    def _move(self, after: Subscriptions) -> None:
        """Join the cohort of the new subscriptions; both cohorts are flushed before."""
        index, hub = self._context.hub.index, self._context.hub
        old = self._cohort
        if old is None:
            new = index.cohort(after, batched=self._batched)
        else:
            hub.flush_cohort(old)
            new = index.moved(old, after)
        hub.flush_cohort(new)
        if old is not None:
            old.leave(self)
        new.join(self, behind=self.outbox is not None)
        self._cohort = new
        if old is not None and old is not new:
            index.drop_if_empty(old)

    # Delivery at an interval

    def _arm(self, interval_ms: int) -> None:
        if interval_ms and interval_ms not in self._intervals:
            self._intervals.add(interval_ms)
            self._context.later(interval_ms / 1000, lambda: self._take_latest(interval_ms))

    def _take_latest(self, interval_ms: int) -> None:
        """Owe the newest tick of each stream that moved since the last time."""
        self._intervals.discard(interval_ms)
        cohort = self._cohort
        if self.closing or cohort is None:
            return
        due = [own for own in cohort.latest if self._interval_of(own) == interval_ms]
        for stream in due:
            position = self._positions.setdefault(stream, 0)
            if stream.seq > position:
                self._owing().add_newest(stream, position + 1)
        if due:
            self._arm(interval_ms)
            self.drain()

    def _interval_of(self, stream: Stream) -> int:
        terms = self.subscriptions.terms_of(stream.channel, stream.symbol)
        return terms.interval_ms if terms else 0

    # Bytes out

    def send(self, message: Answer) -> None:
        """Send a control message, or owe it."""
        self.send_frame(text_frame(encode(message)))

    def send_frame(self, frame: bytes) -> None:
        """Send a control frame that is ready, or owe it."""
        if self.outbox is None:
            sent = self.write(frame)
            if sent < len(frame):
                self._owing().add_rest(frame[sent:])
        else:
            self.outbox.add_control(frame)
            self._check_outbox()

    def fall_behind(self, segment: Segment, sent: int) -> None:
        """Keep what a short write left of a segment (the cohort has noted it already)."""
        self.outbox = Outbox(self._account())
        self._transport.want_write(True)
        self.outbox.add_segment(segment, sent)
        self._check_outbox()

    def offer(self, segment: Segment) -> None:
        """Keep a whole segment, as earlier bytes are still unsent."""
        if self.outbox is not None:
            self.outbox.add_segment(segment)
            self._check_outbox()

    def drain(self) -> None:
        """Write what is owed until all is sent, the socket is full, or the turn is over."""
        outbox = self.outbox
        if outbox is None:
            return
        if self._cohort is not None:
            self._context.hub.flush_cohort(self._cohort)
        written = 0
        while written < TURN_BYTES and not outbox.empty:
            chunk = outbox.next_bytes()
            sent = self.write(chunk)
            outbox.sent(sent)
            written += sent
            if sent < len(chunk):
                return
        if outbox.empty:
            self._catch_up(outbox)

    def _catch_up(self, outbox: Outbox) -> None:
        self._context.hub.metrics.conflated += outbox.conflated_ticks
        self.outbox = None
        self._transport.want_write(False)
        if self.closing:
            self._transport.finish()
        elif self._cohort is not None:
            self._cohort.caught_up(self)

    def _owing(self) -> Outbox:
        if self.outbox is None:
            self.outbox = Outbox(self._account())
            self._transport.want_write(True)
            if self._cohort is not None:
                self._cohort.leave(self)
                self._cohort.join(self, behind=True)
        return self.outbox

    def _account(self) -> Account:
        index = self._context.hub.index
        return Account(
            self._batched,
            self._context.limits.outbox_bytes // 2,
            index.stream_of,
            self._conflates,
            self._snapshot,
            self._positions,
        )

    def _conflates(self, stream: Stream) -> bool:
        terms = self.subscriptions.terms_of(stream.channel, stream.symbol)
        return terms is None or (terms.delivery == "adaptive" and not stream.is_event)

    def _snapshot(self, symbol: str, channels: Iterable[str]) -> Snapshot:
        snapshot = self._context.hub.last_values.snapshot(symbol, channels)
        for channel, seq in snapshot.seqs.items():
            stream = self._context.hub.index.find(channel, symbol)
            if stream in self._positions:
                self._positions[stream] = seq
        return snapshot

    # The end

    def _check_outbox(self) -> None:
        if self.queued_bytes > self._context.limits.outbox_bytes and not self.closing:
            self.close(CloseCode.SLOW_CONSUMER, "slow consumer")

    def close(self, code: int, reason: str) -> None:
        """Say why, send the close frame, and end; ticks that are still owed are given up."""
        if self.closing:
            return
        self.closing = True
        farewell = text_frame(encode(Closing(code, reason, reconnect=code not in STAY_AWAY)))
        self._end(code)
        self._send_last(farewell + close_frame(code, reason))

    def fail(self, code: int, reason: str) -> None:
        """End a conversation that cannot go on: just the close frame, as the peer broke the rules."""
        if not self.closing:
            self.closing = True
            self._end(code)
            self._send_last(close_frame(code, reason))

    def answer_close(self, code: int) -> None:
        """Answer a close that the peer began, echoing its code (1005 means it gave none)."""
        if not self.closing:
            self.closing = True
            self._end(code)
            self._send_last(close_frame(code) if code != 1005 else b"\x88\x00")

    def lost(self) -> None:
        """Take note that the socket has gone."""
        if not self.closing:
            self.closing = True
            self._end(1006)

    def _send_last(self, frames: bytes) -> None:
        outbox, self.outbox = self.outbox, None
        last = (outbox.only_rest() if outbox else b"") + frames
        sent = self.write(last)
        if sent == len(last):
            self._transport.finish()
            return
        self.outbox = Outbox(self._account())
        self.outbox.add_rest(last[sent:])
        self._transport.want_write(True)

    def _end(self, code: int) -> None:
        cohort, self._cohort = self._cohort, None
        if cohort is not None:
            cohort.leave(self)
            self._context.hub.index.drop_if_empty(cohort)
        self._context.closed(self, code)
