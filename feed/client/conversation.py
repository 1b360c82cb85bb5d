"""What one client wants and what it was answered, over any number of connections, without I/O.

Each connection begins with `open`; every message received goes through `take`, which gives its
ticks and tells all the rest as events. What is to be sent is handed back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from feed import codes
from feed.client.commands import (
    NOWHERE,
    Change,
    Positions,
    Terms,
    subscribes,
    unsubscribes,
)
from feed.client.events import Disorder, Event, Gap
from feed.client.ledger import Ledger
from feed.client.stats import Stats
from feed.client.wants import Wants
from feed.clock import Clock
from feed.errors import MessageError
from feed.protocol.codec import decode
from feed.protocol.messages import (
    PROTOCOL_VERSION,
    Authenticate,
    Authenticated,
    Closing,
    Command,
    Epoch,
    ErrorMessage,
    Heartbeat,
    Message,
    Notice,
    Pong,
    Publish,
    Published,
    Rejection,
    Resumed,
    Skipped,
    Snapshot,
    SourcePosition,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)
from feed.ticks import CHANNEL_OF, CHANNELS, Tick

Receipt = Published | ErrorMessage | Literal["lost"] | None
"""The answer to a publish: None before it comes, `lost` when it cannot come any more."""


class Conversation:
    """One client's side of protocol 1.

    Attributes:
        welcome: of the present connection; None before it came.
        same_epoch: whether it goes on with the numbering of the connection before.
        subscriptions: what the server last said it sends, channel -> symbols and patterns.
        rejections: symbol -> why the server does not send it, or not on every channel.
        snapshots: symbol -> the latest one received.
        sources: name -> state, of the last heartbeat.
        positions: name -> how far it has come, likewise.
        heartbeats: how many have come.
        epochs: each numbering so far, in order: the count of ticks before its first, and its label.
    """

    def __init__(self, *, clock: Clock, tell: Callable[[Event], None], resume: bool = True) -> None:
        self.welcome: Welcome | None = None
        self.subscriptions: dict[str, list[str]] = {}
        self.rejections: dict[str, Rejection] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.same_epoch = True
        self.sources: dict[str, str] = {}
        self.positions: dict[str, SourcePosition] = {}
        self.heartbeats = 0
        self.epochs: list[tuple[int, str]] = []
        self.stats = Stats()
        self.ledger = Ledger(self._tell_loss)
        self._clock = clock
        self._tell = tell
        self._resume = resume
        self._wants = Wants()
        self._next_id = 0
        self._pending: dict[int, Change] = {}
        self._answers: dict[int, Subscribed | ErrorMessage | None] = {}
        self._receipts: dict[int, Receipt] = {}

    # Commands

    def subscribe(self, symbols: list[str], channels: list[str], terms: Terms) -> list[Change]:
        """Make the commands that ask for more; once taken, they also hold for later connections."""
        for symbol in symbols:
            self.rejections.pop(symbol, None)
        return self._await(self._number(subscribes(symbols, channels, terms)))

    def unsubscribe(self, symbols: list[str], channels: list[str] | None) -> list[Change]:
        """Make the commands that ask for less."""
        return self._await(self._number(unsubscribes(symbols, channels)))

    def open(self, token: str | None) -> list[Command]:
        """Give what a new connection is told after its welcome: who we are, and all we want.

        It goes on after the last seq of each stream, unless the numbering is another now.
        """
        assert self.welcome is not None
        commands: list[Command] = []
        if token is not None and self.welcome.authentication != "none":
            commands.append(Authenticate(token))
        ledger = self.ledger  # it has forgotten all that belongs to another epoch
        positions = Positions(ledger.epoch, ledger.positions()) if self._resume else NOWHERE
        commands += self._number(self._wants.commands(positions))
        commands += self._pending.values()
        return commands

    def _number(self, changes: Iterable[Change]) -> list[Change]:
        numbered = list(changes)
        for change in numbered:
            self._next_id += 1
            change.id = self._next_id
        return numbered

    def _await(self, changes: list[Change]) -> list[Change]:
        for change in changes:
            self._pending[_id(change)] = change
            self._answers[_id(change)] = None
        return changes

    def again(self, change: Change) -> None:
        """Await the answer to a command once more."""
        self._await([change])

    def answer(self, change: Change) -> Subscribed | ErrorMessage | None:
        """Give the answer to a command, or None while there is none."""
        return self._answers[_id(change)]

    def forget(self, changes: Iterable[Change]) -> None:
        """Keep no answers to these commands; one still to come takes effect all the same."""
        for change in changes:
            self._answers.pop(_id(change), None)

    def publish(self, command: Publish) -> None:
        """Number a publish, so that its answer can be told."""
        self._next_id += 1
        command.id = self._next_id
        self._receipts[self._next_id] = None

    def receipt(self, command: Publish) -> Receipt:
        """Give the answer to a publish; None while there is none."""
        return self._receipts[_id(command)]

    def forget_published(self, commands: Iterable[Publish]) -> None:
        """Keep no answers to these."""
        for command in commands:
            self._receipts.pop(_id(command), None)

    # Messages

    def lost(self) -> None:
        """Take note that the connection has ended: the next one asks for everything anew.

        Nothing is published a second time, as nobody knows what of it the server has taken.
        """
        self.welcome = None
        for id, receipt in self._receipts.items():
            self._receipts[id] = receipt or "lost"

    def take(self, messages: list[str | bytes]) -> list[Tick]:
        """Take in messages in the order they came, and give their ticks.

        Raises:
            MessageError: one is not of this protocol.
        """
        ticks: list[Tick] = []
        singles: list[Tick] = []
        for data in messages:
            message = decode(data)
            if type(message) in CHANNEL_OF:
                singles.append(message)  # type: ignore[arg-type]
                continue
            if singles:
                self._count(singles, ticks)
                singles = []
            if type(message) is list:
                self._count(message, ticks)
            else:
                self._hear(message)  # type: ignore[arg-type]
        self._count(singles, ticks)
        if ticks:
            self.stats.latencies.add(self._clock.now_ns() - ticks[-1].ts_out)
        return ticks

    def _count(self, arrived: list[Tick], ticks: list[Tick]) -> None:
        """Account for ticks and hand them on."""
        self.ledger.take(arrived)
        self.stats.ticks += len(arrived)
        ticks += arrived

    def _hear(self, message: Message) -> None:
        match message:
            case Welcome():
                self._greet(message)
            case Subscribed():
                self._settle(message)
            case Snapshot():
                self.snapshots[message.symbol] = message
                self.ledger.snapshot(message)
                self._tell(message)
            case Published(id=int(id)) if id in self._receipts:
                self._receipts[id] = message
            case Skipped():
                if message.reason != "own":
                    self.stats.skipped += message.count
                self.ledger.skipped(message)
                self._tell(message)
            case Resumed():
                self.stats.resumed += _brought(message)
                self.ledger.resumed(message)
                self._tell(message)
            case ErrorMessage():
                self._refuse(message)
            case Heartbeat():
                self.sources = message.sources
                self.positions = message.positions
                self.heartbeats += 1
            case Epoch():
                self._begin_epoch(message.epoch)
                self._tell(message)
            case Authenticated() | Notice() | Closing() | Pong():
                self._tell(message)

    def _greet(self, welcome: Welcome) -> None:
        if welcome.protocol != PROTOCOL_VERSION:
            text = f"the server speaks protocol {welcome.protocol}, this client {PROTOCOL_VERSION}"
            raise MessageError(codes.BAD_MESSAGE, text)
        self.welcome = welcome
        self.same_epoch = self._begin_epoch(welcome.epoch)

    def _begin_epoch(self, epoch: str) -> bool:
        """Go on under an epoch; False when its numbering is another one."""
        same = self.ledger.welcome(epoch)
        if not same:
            self.snapshots.clear()
            self.epochs.append((self.stats.ticks, epoch))
        return same

    def _settle(self, ack: Subscribed) -> None:
        self.subscriptions = ack.subscriptions
        for rejection in ack.rejected:
            if rejection.code != codes.NOT_SUBSCRIBED:
                self.rejections[rejection.symbol] = rejection
        if ack.id is None:  # the rights have changed
            lost = None if ack.rejected_total else {own.symbol for own in ack.rejected}
            self.ledger.doubt(ack.subscriptions, lost)
        change = self._answered(ack)
        if isinstance(change, Subscribe):
            self._want(change, ack.subscriptions)
        elif isinstance(change, Unsubscribe):
            self._wants.drop(change.channels or CHANNELS, change.symbols)
            self.ledger.keep(ack.subscriptions)

    def _want(self, change: Subscribe, held: Mapping[str, Iterable[str]]) -> None:
        """Want what was taken; a symbol may be rejected on one channel and taken on another."""
        terms = Terms(change.delivery, change.interval_ms, change.snapshot)
        for channel in change.channels:
            names = set(held.get(channel, ()))
            self._wants.add([channel], [own for own in change.symbols if own in names], terms)

    def _refuse(self, error: ErrorMessage) -> None:
        if isinstance(error.id, int) and error.id in self._receipts:
            self._receipts[error.id] = error
        elif self._answered(error) is None:
            self._tell(error)

    def _answered(self, answer: Subscribed | ErrorMessage) -> Change | None:
        """File an answer; gives its command, unless that was only repeated on reconnecting."""
        if not isinstance(answer.id, int):
            return None
        if answer.id in self._answers:
            self._answers[answer.id] = answer
        return self._pending.pop(answer.id, None)

    def _tell_loss(self, loss: Gap | Disorder) -> None:
        if isinstance(loss, Gap):
            self.stats.gaps += 1
            self.stats.lost += loss.count
        else:
            self.stats.disorders += 1
        self._tell(loss)


def _brought(resumed: Resumed) -> int:
    return resumed.to_seq - resumed.from_seq + 1 if resumed.complete else 0


def _id(change: Change | Publish) -> int:
    assert isinstance(change.id, int)
    return change.id
