"""One client's conversation: its commands, their answers, and how it ends.

A session moves no bytes itself and waits for nobody: bytes come and go through its transport, and
what it is owed is kept by its delivery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from feed import codes
from feed.clock import Clock
from feed.codes import STAY_AWAY, CloseCode
from feed.errors import MessageError
from feed.hub.hub import Hub
from feed.hub.steps import Steps
from feed.hub.subscriptions import Subscriptions
from feed.protocol.codec import encode, read_command
from feed.protocol.frames import close_frame, text_frame
from feed.protocol.messages import (
    Announce,
    Answer,
    AnyCommand,
    Authenticate,
    BadTick,
    Closing,
    Epoch,
    ErrorMessage,
    Id,
    Ping,
    Pong,
    Publish,
    Rejection,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from feed.sessions.admission import Admission
from feed.sessions.delivery import Delivery, Transport
from feed.sessions.entitlements import NOBODY, Principal
from feed.sessions.limits import Limits
from feed.sessions.move import Move
from feed.sessions.publishing import publish
from feed.sessions.requests import Universe, told
from feed.sessions.subscriber import Subscriber
from feed.sessions.subscribing import hold_to_rights, subscribe, unsubscribe
from feed.sessions.tiers import Tiers
from feed.ticks import Tick

_FINISHED: Final = object()


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


class Context(Protocol):
    """What all sessions of a process share."""

    hub: Hub
    clock: Clock
    limits: Limits
    admission: Admission
    tiers: Tiers
    epoch: str
    universe: Universe
    publish: Callable[[Principal, list[Any]], Receipt]

    def announce(self, message: str) -> None:
        """Tell everybody."""

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
        "_works",
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
        subscriber = Subscriber(context.tiers.of(principal.delay_s), batched=batched)
        self.delivery = Delivery(transport, subscriber, overflow=self._overflow)
        self.quiet_beats = 0
        self.address = ""
        self._due_s = 0.0
        self._mistakes = 0
        self._context = context
        self._works: tuple[Steps, ...] = ()
        self._closing = False

    @property
    def subscriptions(self) -> Subscriptions:
        """What it asked for, and is delivered."""
        return self.delivery.subscriber.subscriptions

    def send(self, message: Answer) -> None:
        """Send a control message, or owe it."""
        self.delivery.send(text_frame(encode(message)))

    def receive(self, payload: bytes) -> None:
        """Carry out one command; a long one goes on for as long as the session is `busy`."""
        if not self._closing:
            self._begin(self._carry_out(payload))

    @property
    def busy(self) -> bool:
        """Whether something that was begun is not finished."""
        return bool(self._works)

    def go_on(self) -> None:
        """Take the next step of what was begun."""
        while self._works:
            work = self._works[0]
            if next(work, _FINISHED) is not _FINISHED:
                return
            if self._works and self._works[0] is work:  # else it has brought about the end
                self._works = self._works[1:]

    def _begin(self, work: Steps) -> None:
        """Do something in steps, the first one now, unless there is more to do before."""
        self._works = (*self._works, work)
        if len(self._works) == 1:
            self.go_on()
        if self._works:
            self.delivery.want_turn()

    def _carry_out(self, payload: bytes) -> Steps:
        """Do what a command asks; one that is not understood is answered and changes nothing."""
        try:
            command = read_command(payload)
            self._check_rate(command)
            yield from self._obey(command)
            self._mistakes = 0
        except MessageError as error:
            self._refuse(error)

    def _obey(self, command: AnyCommand) -> Steps:
        if self.principal is NOBODY and not isinstance(command, Authenticate | Ping):
            text = 'authenticate first: {"type":"authenticate","token":"..."}'
            raise MessageError(codes.UNAUTHENTICATED, text, id=command.id)
        match command:
            case Subscribe():
                yield from subscribe(self, command, self._context)
            case Unsubscribe():
                yield from unsubscribe(self, command, self._context)
            case Publish():
                yield from publish(self, command, self._context)
            case Announce():
                self._announce(command)
            case Ping(id):
                self.send(Pong(self._context.clock.now_ns(), id=id))
            case Authenticate(token, id):
                before = self.principal
                self._context.admission.authenticate(self, token, id)
                self._hold_to_principal(before)

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

    def reconsider(self, before: Principal) -> None:
        """Hold the session to its entitlements as they are now; tells what was lost.

        It begins when it is this session's turn, as many may have the same key. What the session is
        busy with was begun under those before, and is finished first; but where the delay changes
        meanwhile, the session ends.
        """
        if self.busy and self.principal.delay_s != before.delay_s:
            self._leave_hub()  # what is half done would have it served from there after all
        else:
            self._hold_to_principal(before)

    def _hold_to_principal(self, before: Principal) -> None:
        if self._closing:
            return
        now, delay_s = self.principal, self.principal.delay_s
        tiers = self._context.tiers
        if delay_s != before.delay_s and not self.delivery.serve_from(tiers.of(delay_s)):
            self._leave_hub()
        elif now.rights != before.rights and (len(self.subscriptions) or self.busy):
            begun, waiting = self._works[:1], self._works[1:]
            self._works = (*begun, hold_to_rights(self), *waiting)
            self.delivery.want_turn()

    def _leave_hub(self) -> None:
        self.close_in_turn(CloseCode.DRAINING, "the delay of this session has changed")

    def settle(self, move: Move, id: Id, rejected: list[Rejection]) -> None:
        """Acknowledge a move that was made, and owe what it brought."""
        if self._closing:  # what was owed already was too much
            return
        shown, total = told(rejected)
        held = move.after.by_channel()
        ack = Subscribed(held, id=id, rejected=shown, rejected_total=total)
        move.settle(self.delivery, text_frame(encode(ack)), self._context.epoch)

    def _announce(self, command: Announce) -> None:
        if not self.principal.admin:
            raise MessageError(codes.NOT_ENTITLED, "only an admin may notify all", id=command.id)
        if not command.message.isprintable():
            raise MessageError(codes.BAD_MESSAGE, "message must be printable", id=command.id)
        self._context.announce(command.message)

    def restart(self, epoch: Epoch) -> None:
        """Tell of a new numbering, and of where everything is in it."""
        self.delivery.restart(text_frame(encode(epoch)))

    @property
    def ended(self) -> bool:
        """Whether it was closed, by either side."""
        return self._closing

    def close(self, code: int, reason: str) -> None:
        """Say why in a `closing` message, close, and give up what is still owed."""
        farewell = Closing(code, reason, reconnect=code not in STAY_AWAY)
        self._end(code, text_frame(encode(farewell)) + close_frame(code, reason))

    def close_in_turn(self, code: int, reason: str) -> None:
        """Send no tick from now on, and close when it is this session's turn, as many may end."""
        if not self._closing:
            self.delivery.withhold()
            self._works = (self._close(code, reason),)
            self.delivery.want_turn()

    def _close(self, code: int, reason: str) -> Steps:
        self.close(code, reason)
        yield from ()

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
            self._works = ()
            self._context.closed(self, 1006)
        self.delivery.drop()
        self._context.gone(self)

    def _overflow(self) -> None:
        self.close(CloseCode.SLOW_CONSUMER, "slow consumer")

    def _end(self, code: int, last: bytes) -> None:
        if not self._closing:
            self._closing = True
            self._works = ()
            self.delivery.finish(last)
            self._context.closed(self, code)
