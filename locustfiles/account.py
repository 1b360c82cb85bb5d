"""What one user asked for, and what came of it: every message judged and counted, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from feed.client.audit import Audit, silent
from feed.client.commands import Change, Positions
from feed.client.conversation import Conversation, Receipt
from feed.client.events import (
    Authenticated,
    Disorder,
    ErrorMessage,
    Event,
    Gap,
    Pong,
    Resumed,
    Skipped,
    Snapshot,
)
from feed.client.line import STALE_HEARTBEATS
from feed.client.publishing import commands
from feed.clock import Clock
from feed.protocol.messages import Command, Publish, Published, Subscribed, Unsubscribe
from feed.protocol.newticks import AnyNewTick
from feed.ticks import Tick
from locustfiles.awaited import Awaited
from locustfiles.clock_offset import ClockOffset
from locustfiles.contract import Order, Repeat, pretext
from locustfiles.options import Options
from locustfiles.tally import INTER_ARRIVAL, RESUMED_AGE, Tally

FOR_EVER_NS: Final = 2**63


class Account:
    """One user's side of the protocol, over any number of connections.

    Args:
        tally: where everything is counted.
        figure: the histogram of its ticks' latencies.
        expected: faults that this user provokes, and that are none therefore.
        done: told of what was waited for and has come, and how many seconds that took.

    Attributes:
        conversation: the feed's own, with its ledger.
        symbols: what is subscribed.
    """

    def __init__(
        self,
        tally: Tally,
        options: Options,
        offset: ClockOffset,
        clock: Clock,
        *,
        figure: str,
        expected: frozenset[str],
        done: Callable[[str, float], None],
    ) -> None:
        self.conversation = Conversation(clock=clock, tell=self._hear)
        self.symbols: list[str] = []
        self._tally = tally
        self._options = options
        self._offset = offset
        self._clock = clock
        self._figure = figure
        self._expected = expected
        self._done = done
        self._awaited = Awaited(clock, done)
        self._greeted_s = 0.0
        patient = "delayed" in expected
        self._delayed_ns = FOR_EVER_NS if patient else int(options.delayed_ms * 1e6)
        self._audit = Audit((), options.channels)
        self._changes: list[Change] = []
        self._publishes = False
        self._repeats: list[Repeat] = []
        self._renumbered = self._disordered = False
        self._order = Order(self._options.terms.delivery)
        self._now_ns = 0
        self._arrived_ns = 0
        self._beats = 0
        self._beat_s = clock.monotonic_s()

    def opened(self) -> None:
        """Begin a connection: what came over the one before says nothing of this one."""
        self.conversation.lost()
        self._order = Order(self._options.terms.delivery)
        self._arrived_ns = 0
        self._beat_s = self._clock.monotonic_s()

    def await_all(self, name: str) -> None:
        """Take the time from now on until the last snapshot or resume has come that will be due."""
        self._awaited.begin(name)

    def returning(self, token: str | None) -> list[Command]:
        """Give what a new connection is told after its welcome."""
        self._greeted_s = self._clock.monotonic_s()
        commands = self.conversation.open(token)
        self._awaited.resumes(commands)
        return commands

    def subscribe(self, symbols: list[str], due: Iterable[str]) -> list[Change]:
        """Give the commands that ask for more; `due` are the symbols whose snapshots will come."""
        self.symbols += symbols
        self._audit.ask(self.symbols, self._options.channels)
        self._awaited.snapshots(due)
        terms = self._options.terms._replace(snapshot=bool(self._awaited))
        self._changes = self.conversation.subscribe(symbols, self._options.channels, terms)
        return self._changes

    def unsubscribe(self, symbols: list[str]) -> list[Change]:
        """Give the commands that ask for less; once answered, call `settle`."""
        self._changes = self.conversation.unsubscribe(symbols, self._options.channels)
        return self._changes

    def settle(self, changes: list[Change]) -> list[str] | None:
        """Give what was wrong with the answers to some commands; None while one is not answered."""
        answers = [self.conversation.answer(change) for change in changes]
        if None in answers:
            return None
        self.conversation.forget(changes)
        self._changes = []
        for change in changes:
            if isinstance(change, Unsubscribe):  # only now may no tick of it come any more
                self.symbols = [own for own in self.symbols if own not in change.symbols]
        self._audit.ask(self.symbols, self._options.channels)
        return [text for answer in answers for text in _complaints(answer)]

    def publish(self, ticks: Iterable[AnyNewTick]) -> list[Publish]:
        """Give the commands that publish ticks."""
        self._publishes = True
        sent = list(commands(ticks, echo=False))
        for command in sent:
            self.conversation.publish(command)
        return sent

    def receive_receipts(self, sent: list[Publish]) -> list[str] | None:
        """Give what was wrong with what was published; None while one is not answered."""
        receipts = [self.conversation.receipt(command) for command in sent]
        if None in receipts:
            return None
        self.conversation.forget_published(sent)
        self._tally.published += sum(own.accepted for own in receipts if isinstance(own, Published))
        return [text for receipt in receipts for text in _complaints(receipt)]

    def take(
        self,
        messages: list[str | bytes],
        arrived_ns: int,
        late_ns: int = 0,
        *,
        since_ns: int | None = None,
    ) -> list[Tick]:
        """Judge and count what came; gives the ticks among it.

        Args:
            arrived_ns: when the last of it arrived.
            late_ns: how long that lay there before it was read.
            since_ns: when nothing of it had arrived; None: all of it came at once.

        Raises:
            MessageError: a message is not of the protocol.
        """
        self._now_ns = arrived_ns
        resuming = self._awaited.resuming  # what was read may hold the end of it
        self._disordered = False
        ticks = self.conversation.take(messages)
        correction_ns = self._offset.correction_ns
        if resuming:
            self._order.mix(arrived_ns + correction_ns)
        if self._repeats:
            self._repeated(ticks)
        if ticks:
            self._audit.take(ticks)
            if self._audit.foreign:
                self._foreign()
            if not (resuming or self._disordered):
                self._held_back(ticks)
            figure = RESUMED_AGE if resuming else self._figure
            self._tally.arrived(
                ticks,
                arrived_ns + correction_ns,
                figure,
                since_ns=(arrived_ns if since_ns is None else since_ns) + correction_ns,
                delayed_ns=FOR_EVER_NS if resuming else self._delayed_ns,
                late_ns=late_ns,
            )
            if self._arrived_ns:
                self._tally.histogram(INTER_ARRIVAL).add(arrived_ns - self._arrived_ns)
            self._arrived_ns = arrived_ns
        return ticks

    def silent(self, newest: Positions) -> list[str] | None:
        """Name the streams that have gone on without us; None while something is not answered.

        After a renumbering that nobody told, nothing can be said of any.
        """
        if self._renumbered:
            return []
        if self._awaited or None in [self.conversation.answer(own) for own in self._changes]:
            return None
        ledger = self.conversation.ledger
        come = Positions(ledger.epoch, ledger.positions())
        return [*silent(newest, come, self.conversation.subscriptions, ledger.doubtful)]

    def stale(self) -> str | None:
        """Say for how long there has been no heartbeat, if that is too long."""
        welcome, now_s = self.conversation.welcome, self._clock.monotonic_s()
        if self.conversation.heartbeats != self._beats:
            self._beats, self._beat_s = self.conversation.heartbeats, now_s
        silent_s = now_s - self._beat_s
        if welcome is None or silent_s <= STALE_HEARTBEATS * welcome.heartbeat_interval_s:
            return None
        self._beat_s = now_s
        return f"session {welcome.session}: none for {silent_s:.1f} s"

    def fault(self, name: str, example: str, count: int = 1) -> None:
        """Count what must not be, unless this user provokes it."""
        if name not in self._expected:
            self._tally.fault(name, count, example)

    def _hear(self, event: Event) -> None:
        match event:
            case Gap(told=True):
                self.fault("lost", f"{event.channel} {event.symbol}", event.count)
            case Gap() | Disorder() if not self._audit.asked(event.channel, event.symbol):
                pass  # it is foreign, and told as that
            case Disorder(reason="duplicate"):
                self._disordered = True
                newest = self.conversation.ledger.last(event.channel, event.symbol)
                self._repeats.append(Repeat(event, newest))
            case Gap() | Disorder():
                self._disordered = self._disordered or isinstance(event, Disorder)
                self._tally.loss(event)
            case Skipped():
                self._skipped(event)
            case Snapshot():
                self._awaited.came("", event.symbol)
            case Resumed():
                self._resumed(event)
            case Pong(ts_out=ts_out, id=int(sent_ns)):
                self._offset.pong(sent_ns, ts_out, self._now_ns)
                self._tally.histogram("ping").add(self._now_ns - sent_ns)
            case Authenticated():
                self._done("authenticate", self._clock.monotonic_s() - self._greeted_s)
            case ErrorMessage():
                self.fault("refused", event.message)

    def _skipped(self, event: Skipped) -> None:
        delivery = self._options.terms.delivery
        fault = pretext(event, delivery, publishes=self._publishes)
        if fault is not None:
            self.fault("withheld", fault)
        if event.reason != "own":
            self._order.off()
            self._tally.skipped += event.count

    def _held_back(self, ticks: list[Tick]) -> None:
        held = self._order.held_back(ticks)
        if held:
            late_ms = (self._order.newest_ns - held[0].ts_out) / 1e6
            where = f"{held[0].symbol}, {late_ms:,.1f} ms older than what came before it"
            self.fault("delayed", where, len(held))

    def _repeated(self, ticks: list[Tick]) -> None:
        """Name each seq that came again, by what it is now."""
        repeats, self._repeats = self._repeats, []
        for repeat in repeats:
            event = repeat.event
            if repeat.is_renumbered(ticks):
                self._renumbered = True
                self.fault("renumbered", f"{event.channel} {event.symbol} seq {event.seq}")
            else:
                self._tally.loss(event)

    def _resumed(self, event: Resumed) -> None:
        if event.complete:
            self._tally.resumed += event.to_seq - event.from_seq + 1
        self._awaited.came(event.channel, event.symbol)

    def _foreign(self) -> None:
        count, self._audit.foreign = self._audit.foreign, 0
        self.fault("foreign", self._audit.examples["foreign"], count)


def _complaints(answer: Subscribed | Receipt) -> Iterator[str]:
    if isinstance(answer, ErrorMessage):
        yield answer.message
    elif isinstance(answer, str):
        yield "the connection was lost"
    elif answer is not None:
        yield from (rejection.message for rejection in answer.rejected)
