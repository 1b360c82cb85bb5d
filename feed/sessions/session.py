"""One client's conversation: its commands, their answers, and how it ends.

A session moves no bytes itself and waits for nobody: bytes come and go through its transport, and
what it is owed is kept by its delivery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from feed import codes
from feed.codes import STAY_AWAY, CloseCode
from feed.errors import MessageError
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.protocol.codec import encode, read_command
from feed.protocol.frames import close_frame, text_frame
from feed.protocol.messages import (
    Answer,
    AnyCommand,
    Authenticate,
    BadTick,
    Closing,
    ErrorMessage,
    Id,
    Ping,
    Pong,
    Publish,
    Published,
    Rejection,
    Resume,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from feed.sessions import delivery
from feed.sessions.admission import Admission
from feed.sessions.delivery import Delivery, Transport
from feed.sessions.entitlements import NOBODY, Principal
from feed.sessions.requests import Universe, not_entitled, read_channels, read_subscriptions
from feed.sessions.tiers import Tiers
from feed.ticks import Tick


class Receipt(Protocol):
    """What became of the ticks of one publish; see `feed.sources.ingest.Receipt`."""

    @property
    def ticks(self) -> list[Tick]: ...
    @property
    def seqs(self) -> list[int | None]: ...
    @property
    def rejected(self) -> list[BadTick]: ...
    @property
    def burst(self) -> list[Tick]: ...


class Context(delivery.Context, Protocol):
    """What all sessions of a process share."""

    admission: Admission
    tiers: Tiers
    epoch: str
    universe: Universe
    publish: Callable[[Principal, list[Any]], Receipt]

    def closed(self, session: Session, code: int) -> None:
        """Be told that a session has ended, once."""

    def gone(self, session: Session) -> None:
        """Be told that the socket of a session is closed, once."""


class Session:
    """One conversation, from the handshake to the close.

    Attributes:
        name: what logs, metrics and the client call it.
        principal: who the client is, and what it may do.
        delivery: what it is owed.
        address: where it comes from.
        quiet_beats: how many heartbeats have passed since the peer sent anything.
    """

    __slots__ = (
        "_closing",
        "_context",
        "_due_s",
        "_mistakes",
        "address",
        "delivery",
        "name",
        "principal",
        "quiet_beats",
    )

    def __init__(
        self,
        name: str,
        transport: Transport,
        context: Context,
        principal: Principal,
        *,
        batched: bool,
    ) -> None:
        self.name = name
        self.principal = principal
        tier = context.tiers.of(principal.delay_s)
        self.delivery = Delivery(transport, tier, batched=batched, overflow=self._overflow)
        self.quiet_beats = 0
        self.address = ""
        self._due_s = 0.0
        self._mistakes = 0
        self._context = context
        self._closing = False

    def send(self, message: Answer) -> None:
        """Send a control message, or owe it."""
        self.delivery.send(text_frame(encode(message)))

    def receive(self, payload: bytes) -> None:
        """Carry out one command; one that is not understood is answered and changes nothing."""
        if self._closing:
            return
        try:
            command = read_command(payload)
            self._check_rate(command)
            self._carry_out(command)
            self._mistakes = 0
        except MessageError as error:
            self._refuse(error)

    def _carry_out(self, command: AnyCommand) -> None:
        if self.principal is NOBODY and not isinstance(command, Authenticate | Ping):
            text = 'authenticate first: {"type":"authenticate","token":"..."}'
            raise MessageError(codes.UNAUTHENTICATED, text, id=command.id)
        match command:
            case Subscribe():
                self._subscribe(command)
            case Unsubscribe():
                self._unsubscribe(command)
            case Publish():
                self._publish(command)
            case Ping(id):
                self.send(Pong(self._context.clock.now_ns(), id=id))
            case Authenticate(token, id):
                self._context.admission.authenticate(self, token, id)

    def _check_rate(self, command: AnyCommand) -> None:
        rate = self._context.limits.commands
        if rate is None or isinstance(command, Publish):
            return
        due_s = rate.after(self._due_s, self._context.clock.monotonic_s())
        if due_s is None:
            text = f"a session may send {rate.per_s:g} commands per second, {rate.burst} at once"
            raise MessageError(codes.TOO_MANY_COMMANDS, text, id=command.id)
        self._due_s = due_s

    def _refuse(self, error: MessageError) -> None:
        """Tell a mistake; one after the other without end closes the session."""
        metrics, self._mistakes = self._context.hub.metrics, self._mistakes + 1
        metrics.errors_told += 1
        metrics.refuse(error.code)
        self.send(ErrorMessage(error.code, str(error), id=error.id))
        if error.code == codes.BAD_TOKEN and not self.principal.credential:
            self.close(CloseCode.UNAUTHENTICATED, str(error))
        elif self._mistakes >= self._context.limits.mistakes:
            self.close(CloseCode.BAD_MESSAGE, f"{self._mistakes} commands in a row were refused")

    def _subscribe(self, command: Subscribe) -> None:
        channels = read_channels(command.channels, command.id)
        asked, rejected = read_subscriptions(
            command.symbols, channels, self._context.universe, self.principal
        )
        interval_ms = command.interval_ms if command.delivery == "latest" else 0
        before = self.delivery.subscriptions
        added = dict.fromkeys(asked, Terms(command.delivery, interval_ms))
        after = before.changed(added).under(self.principal.rights)
        self._check_limits(after, command.id)
        self.delivery.move(after)
        self._acknowledge(command.id, rejected)
        if self._closing:  # what was owed already was too much
            return
        for stream in self._streams(asked):
            old = before.terms_of(stream.channel, stream.symbol)
            if old is not None:
                self.delivery.change(stream, old)
                continue
            if not self._resume(stream, command.resume):
                self.delivery.begin(stream, snapshot=command.snapshot)
        self.delivery.drain()

    def _resume(self, stream: Stream, resume: Resume | None) -> bool:
        """Go on after the last seq the client has, if it names one of this stream."""
        last_seq = getattr(resume, stream.channel).get(stream.symbol) if resume else None
        if resume is None or last_seq is None:
            return False
        known = resume.epoch == self._context.epoch and last_seq <= stream.seq
        self.delivery.resume(stream, last_seq + 1 if known else None)
        return True

    def _unsubscribe(self, command: Unsubscribe) -> None:
        channels = read_channels(command.channels, command.id)
        before = self.delivery.subscriptions
        symbols = dict.fromkeys(command.symbols)
        named = (Subscription(channel, name) for channel in channels for name in symbols)
        gone = [own for own in named if own in before]
        after = before.changed({}, gone)
        streams = self._streams(gone)
        self.delivery.move(after)
        if self._closing:
            return
        ended = {own for own in streams if after.terms_of(own.channel, own.symbol) is None}
        self.delivery.end(ended)
        for stream in streams:
            old = before.terms_of(stream.channel, stream.symbol)
            if old is not None and stream not in ended:  # a wildcard still takes it
                self.delivery.change(stream, old)
        missing = symbols.keys() - {own.pattern for own in gone}
        self._acknowledge(command.id, [_not_subscribed(name) for name in sorted(missing)])
        self.delivery.drain()

    def reconsider(self, before: Principal) -> None:
        """Hold the subscriptions to the entitlements as they are now; tells what was lost."""
        if self.principal.delay_s != before.delay_s and not self.delivery.serve_from(
            self._context.tiers.of(self.principal.delay_s)
        ):
            self.close(CloseCode.DRAINING, "the delay of this session has changed")
        held, had = self.delivery.subscriptions, self.delivery.streams
        if self.principal.rights == before.rights or self.ended or not len(held):
            return
        self.delivery.move(held.under(self.principal.rights))
        if self._closing:
            return
        self.delivery.end(had - self.delivery.streams)
        lost = sorted({own.symbol for own in had - self.delivery.streams})
        self._acknowledge(None, [not_entitled(symbol, self.principal) for symbol in lost])
        for stream in self.delivery.streams - had:
            self.delivery.begin(stream, snapshot=True)
        self.delivery.drain()

    def _publish(self, command: Publish) -> None:
        if not self.principal.publish:
            text = f"{self.principal.name} may not publish on this feed"
            raise MessageError(codes.NOT_ENTITLED, text, id=command.id)
        # Who is served late gets its own ticks late too: nothing of them is on its way now.
        kept_from = not command.echo and not self.principal.delay_s
        if kept_from:
            self.delivery.hold_back()
        if self._closing:  # what was owed already was too much
            return
        receipt = self._context.publish(self.principal, command.ticks)
        if kept_from:
            self.delivery.take_back(receipt.burst, receipt.ticks)
        self.send(Published(len(receipt.ticks), receipt.seqs, receipt.rejected, id=command.id))

    def _streams(self, subscriptions: list[Subscription]) -> list[Stream]:
        matching = self.delivery.hub.index.matching
        found = (matching(channel, pattern) for channel, pattern in subscriptions)
        may = self.principal.may_subscribe
        return list(
            dict.fromkeys(
                stream
                for streams in found
                for stream in streams
                if may(stream.channel, stream.symbol)
            )
        )

    def _check_limits(self, after: Subscriptions, id: Id) -> None:
        limits = self._context.limits
        most = self.principal.subscription_limit or limits.subscriptions
        if len(after) > most or len(after.wildcards) > limits.wildcards:
            text = (
                f"a session may hold {most} subscriptions, {limits.wildcards} of "
                f"them wildcards, this would make {len(after)} and {len(after.wildcards)}"
            )
            raise MessageError(codes.LIMIT_EXCEEDED, text, id=id)

    def _acknowledge(self, id: Id, rejected: list[Rejection]) -> None:
        held = self.delivery.subscriptions.by_channel()
        self.send(Subscribed(held, id=id, rejected=rejected))

    @property
    def ended(self) -> bool:
        """Whether it was closed, by either side."""
        return self._closing

    def close(self, code: int, reason: str) -> None:
        """Say why in a `closing` message, close, and give up what is still owed."""
        farewell = Closing(code, reason, reconnect=code not in STAY_AWAY)
        self._end(code, text_frame(encode(farewell)) + close_frame(code, reason))

    def give_up(self) -> None:
        """Close on a peer that is not heard of any more, and wait for nothing."""
        self.close(CloseCode.NO_HEARTBEAT, "no heartbeat")
        self.delivery.abort()

    def fail(self, code: int, reason: str) -> None:
        """End a conversation whose peer broke the rules of the WebSocket itself."""
        self._end(code, close_frame(code, reason))

    def answer_close(self, code: int) -> None:
        """Answer a close that the peer began with the same code; 1005 means that it gave none."""
        self._end(code, close_frame(None if code == 1005 else code))

    def lost(self) -> None:
        """Take note that the socket has gone."""
        if not self._closing:
            self._closing = True
            self._context.closed(self, 1006)
        self.delivery.drop()
        self._context.gone(self)

    def _overflow(self) -> None:
        self.close(CloseCode.SLOW_CONSUMER, "slow consumer")

    def _end(self, code: int, last: bytes) -> None:
        if not self._closing:
            self._closing = True
            self.delivery.finish(last)
            self._context.closed(self, code)


def _not_subscribed(name: str) -> Rejection:
    shown = name[:64]
    return Rejection(shown, codes.NOT_SUBSCRIBED, f"{shown!a} is not subscribed on these channels")
