"""What one user asked for, and what came of it: every message judged and counted, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from feed.client.audit import Audit
from feed.client.commands import Change
from feed.client.conversation import Conversation
from feed.client.events import Disorder, ErrorMessage, Event, Gap, Pong, Resumed, Skipped, Snapshot
from feed.clock import Clock
from feed.protocol.messages import Command, Subscribe, Subscribed
from feed.ticks import Tick
from locustfiles.clock_offset import ClockOffset
from locustfiles.options import Options
from locustfiles.tally import INTER_ARRIVAL, RESUMED_AGE, Tally

STALE_HEARTBEATS: Final = 3
FOR_EVER_NS: Final = 2**63

Due = set[tuple[str, str]]
"""What is to come before a user is up to date: `("", symbol)` for a snapshot, else a resume."""


class Account:
    """One user's side of the protocol, over any number of connections.

    Args:
        tally: where everything is counted.
        figure: the histogram of its ticks' latencies.
        expected: faults that this user provokes, and that are none therefore.
        complete: called when the last snapshot or resume has come that was due.

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
        complete: Callable[[], None],
    ) -> None:
        self.conversation = Conversation(clock=clock, tell=self._hear)
        self.symbols: list[str] = []
        self._tally = tally
        self._options = options
        self._offset = offset
        self._clock = clock
        self._figure = figure
        self._expected = expected
        self._complete = complete
        patient = "delayed" in expected
        self._delayed_ns = FOR_EVER_NS if patient else int(options.delayed_ms * 1e6)
        self._audit = Audit((), options.channels)
        self._due: Due = set()
        self._resuming = False
        self._read_ns = 0
        self._arrived_ns = 0
        self._beats = 0
        self._beat_s = clock.monotonic_s()

    def opened(self) -> None:
        """Begin a connection: what came over the one before says nothing of this one."""
        self.conversation.lost()
        self._arrived_ns = 0
        self._beat_s = self._clock.monotonic_s()

    def returning(self, token: str | None) -> list[Command]:
        """Give what a new connection is told after its welcome; `complete` follows."""
        commands = self.conversation.open(token)
        positions = self.conversation.ledger.positions()
        self._due = {
            (channel, symbol)
            for command in commands
            if isinstance(command, Subscribe) and command.resume is not None
            for channel in command.channels
            for symbol in command.symbols
            if symbol in positions.get(channel, {})
        }
        self._resuming = bool(self._due)
        return commands

    def subscribe(self, symbols: list[str], due: Iterable[str]) -> list[Change]:
        """Give the commands that ask for more; `due` are the symbols whose snapshots will come."""
        self.symbols += symbols
        self._audit.ask(self.symbols, self._options.channels)
        self._due = {("", symbol) for symbol in due}
        self._resuming = False
        terms = self._options.terms._replace(snapshot=bool(self._due))
        return self.conversation.subscribe(symbols, self._options.channels, terms)

    def unsubscribe(self, symbols: list[str]) -> list[Change]:
        """Give the commands that ask for less; once answered, call `settle`."""
        self.symbols = [symbol for symbol in self.symbols if symbol not in symbols]
        return self.conversation.unsubscribe(symbols, self._options.channels)

    def settle(self, changes: list[Change]) -> list[str] | None:
        """Give what was wrong with the answers to some commands; None while one is not answered."""
        answers = [self.conversation.answer(change) for change in changes]
        if None in answers:
            return None
        self.conversation.forget(changes)
        self._audit.ask(self.symbols, self._options.channels)
        return [text for answer in answers for text in _complaints(answer)]

    def take(self, messages: list[str | bytes], read_ns: int) -> list[Tick]:
        """Judge and count what was read; gives the ticks among it.

        Raises:
            MessageError: a message is not of the protocol.
        """
        self._read_ns = read_ns
        ticks = self.conversation.take(messages)
        if ticks:
            self._audit.take(ticks)
            if self._audit.foreign:
                self._foreign()
            now_ns = read_ns + self._offset.correction_ns
            if self._resuming:
                self._tally.arrived(ticks, now_ns, RESUMED_AGE, FOR_EVER_NS)
            else:
                self._tally.arrived(ticks, now_ns, self._figure, self._delayed_ns)
            if self._arrived_ns:
                self._tally.histogram(INTER_ARRIVAL).add(read_ns - self._arrived_ns)
            self._arrived_ns = read_ns
        return ticks

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
            case Gap() | Disorder():
                if self._audit.asked(event.channel, event.symbol):
                    self._tally.loss(event)
            case Skipped():
                self._tally.skipped += event.count
            case Snapshot():
                self._came(("", event.symbol))
            case Resumed():
                self._resumed(event)
            case Pong(ts_out=ts_out, id=int(sent_ns)):
                self._offset.pong(sent_ns, ts_out, self._read_ns)
                self._tally.histogram("ping").add(self._read_ns - sent_ns)
            case ErrorMessage():
                self.fault("refused", event.message)

    def _resumed(self, event: Resumed) -> None:
        if event.complete:
            self._tally.resumed += event.to_seq - event.from_seq + 1
        self._came((event.channel, event.symbol))

    def _came(self, item: tuple[str, str]) -> None:
        if item in self._due:
            self._due.remove(item)
            if not self._due:
                self._resuming = False
                self._complete()

    def _foreign(self) -> None:
        count, self._audit.foreign = self._audit.foreign, 0
        self.fault("foreign", self._audit.examples["foreign"], count)


def _complaints(answer: Subscribed | ErrorMessage | None) -> Iterator[str]:
    if isinstance(answer, ErrorMessage):
        yield answer.message
    elif answer is not None:
        yield from (rejection.message for rejection in answer.rejected)
