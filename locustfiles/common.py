"""A user of the feed for Locust: connects, subscribes, and accounts for every tick it is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final

import gevent
from gevent import GreenletExit
from gevent.event import Event
from locust import User

from feed.client.backoff import delays
from feed.client.commands import Change, Positions
from feed.client.handshake import read_url
from feed.client.transport import Disconnected
from feed.codes import STAY_AWAY
from feed.errors import ConnectionFailed, FeedError, MessageError
from feed.protocol.codec import encode
from feed.protocol.frames import FrameError
from feed.protocol.messages import Command, Ping
from feed.protocol.newticks import AnyNewTick
from feed.ticks import Tick
from locustfiles import wiring  # noqa: F401 - it listens to Locust's events
from locustfiles.account import Account
from locustfiles.run import RUN, stream_url
from locustfiles.tally import READER_DELAY, TICK_LATENCY
from locustfiles.wire import ABNORMAL, READ_BYTES, Wire, dial

ANSWER_LIMIT_S: Final = 10.0
LOOK_S: Final = 0.1
GOODBYE_LIMIT_S: Final = 5.0


class Unanswered(Exception):
    """A command was answered with an error, in part, or not at all."""


class FeedUser(User):
    """One consumer of the feed; a scenario adds its tasks.

    A greenlet of its own reads as fast as messages come, whatever the tasks are waiting for, and
    comes back when the server ends the connection.

    Attributes:
        figure: the histogram that its ticks' latencies go to.
        expected: faults that are none in a user that provokes them.
        receive_buffer_bytes: a small one lets the server feel at once that nobody reads.
    """

    abstract = True
    host = "ws://127.0.0.1:8080"
    figure: ClassVar[str] = TICK_LATENCY
    expected: ClassVar[frozenset[str]] = frozenset()
    receive_buffer_bytes: ClassVar[int | None] = None
    read_bytes: ClassVar[int] = READ_BYTES

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.options = RUN.options
        self.account = self._new_account()
        self._wire: Wire | None = None
        self._reading: gevent.Greenlet | None = None
        self._left = False
        self._answered = Event()
        RUN.beginners.add(self)

    # What tasks call

    def connect(self) -> None:
        """Open a connection, and ask again for what was subscribed, from where it had come to.

        Raises:
            GreenletExit: it cannot be had, which is counted as a failure; it ends this user.
        """
        self._stay()
        try:
            wire = self._open()
        except (FeedError, FrameError, Disconnected) as error:
            self.account.fault("refused", str(error))
            raise GreenletExit from None
        self._reading = gevent.spawn(self._live, wire, self.account)

    def subscribe(self, symbols: Iterable[str]) -> None:
        """Ask for symbols, and wait for the answer; the snapshots may still be coming."""
        self.account.await_all("snapshot")
        names = list(symbols)
        self._change("subscribe", self.account.subscribe(names, RUN.matching(names)))
        self.ready()

    def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Let symbols go, and wait for the answer."""
        self._change("unsubscribe", self.account.unsubscribe(list(symbols)))

    def publish(self, ticks: Iterable[AnyNewTick]) -> None:
        """Publish ticks, and wait until the feed has handed them on."""
        sent = self.account.publish(ticks)
        self._ask("publish", sent, lambda: self.account.receive_receipts(sent))

    def ready(self) -> None:
        """Tell that this user has what it begins with."""
        RUN.beginners.discard(self)

    def leave(self) -> None:
        """Close in good order, and forget everything."""
        self.say_goodbye()
        self.forget()

    def say_goodbye(self) -> None:
        """Close in good order; what was on its way is still counted."""
        if RUN.newest is not None and self._wire is not None:
            self._await_newest(RUN.newest)
        wire, self._wire = self._wire, None
        if wire is not None and self._reading is not None:
            wire.close()
            self._reading.join(GOODBYE_LIMIT_S)
            wire.abort()

    def drop(self) -> None:
        """Cut the connection without a word; nothing is forgotten."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._cut(wire)

    def come_back(self) -> None:
        """Cut the connection, and go on over a new one where it had come to."""
        self.drop()
        self.account.await_all("recover by resume")
        self._reading = gevent.spawn(self._live, self._reopen(delays()), self.account)

    def start_over(self) -> None:
        """Cut the connection, and begin anew with the same symbols."""
        self.drop()
        symbols = self.account.symbols
        self.forget()
        self.account.await_all("recover by snapshot")
        self._reading = gevent.spawn(self._live, self._reopen(delays()), self.account)
        self._change("subscribe", self.account.subscribe(symbols, RUN.matching(symbols)))

    def forget(self) -> None:
        """Become a new user, without subscriptions and positions."""
        self.account = self._new_account()

    def after_read(self, ticks: list[Tick], count: int, arrived_ns: int) -> None:
        """Be told of each read, its ticks and its bytes; the next one is after this returns."""

    # What Locust and the run call

    def on_stop(self) -> None:
        """Leave, unless that was done before."""
        if self._left:
            return
        self._left = True
        RUN.users.discard(self)
        RUN.beginners.discard(self)
        if self._reading is not None and self._wire is None:
            self._reading.kill(block=False)
        self.say_goodbye()

    def ping(self) -> None:
        """Let the server say what time it is."""
        if self._wire is not None:
            self._wire.send(encode(Ping(time.time_ns())))

    def look_after(self) -> None:
        """Find out whether the heartbeat has stopped."""
        silence = self.account.stale() if self._wire is not None else None
        if silence is not None:
            self.account.fault("stale", silence)

    # Inside

    def _await_newest(self, newest: Positions) -> None:
        """Wait until what the feed had has come or been told of; what has not is a fault."""
        deadline_s = time.monotonic() + ANSWER_LIMIT_S
        while (silent := self.account.silent(newest)) != [] and time.monotonic() < deadline_s:
            gevent.sleep(LOOK_S)
        if self._wire is not None:
            for where in ["what was asked for last is not answered"] if silent is None else silent:
                self.account.fault("silent", where)

    def _new_account(self) -> Account:
        return RUN.account(self.figure, self.expected, self._request)

    def _stay(self) -> None:
        if self._left:
            raise GreenletExit

    def _open(self) -> Wire:
        began_s = time.perf_counter()
        RUN.tally.tried += 1
        try:
            address = read_url(
                stream_url(self.environment.host or self.host), batch=self.options.batch
            )
            wire = dial(
                address,
                receive_buffer_bytes=self.receive_buffer_bytes,
                read_bytes=self.read_bytes,
            )
            self._greet(wire)
        except (FeedError, FrameError, Disconnected) as error:
            self._request("connect", time.perf_counter() - began_s, error)
            raise
        self._request("connect", time.perf_counter() - began_s)
        self._wire = wire
        RUN.users.add(self)
        self.ping()
        for command in self.account.returning(self.options.token):
            wire.send(encode(command))
        return wire

    def _greet(self, wire: Wire) -> None:
        self.account.opened()
        RUN.tally.opened += 1
        try:
            with gevent.Timeout(ANSWER_LIMIT_S, ConnectionFailed("there was no welcome")):
                while self.account.conversation.welcome is None:
                    self._take(wire, self.account)
        except Disconnected:  # so the server did
            raise
        except BaseException:  # at the end of a run Locust ends its users wherever they are
            self._cut(wire)
            raise

    def _live(self, wire: Wire, account: Account) -> None:
        """Read, connection after connection, until this user has left or cut it."""
        waits = delays()
        while True:
            end = self._read(wire, account)
            if not wire.aborted:
                RUN.tally.codes[end.code] = RUN.tally.codes.get(end.code, 0) + 1
            if wire is not self._wire:
                return
            self._wire = None
            if not wire.aborted:
                account.fault("closed", f"{end.code} {end.reason}".rstrip())
            self._answered.set()
            if end.code in STAY_AWAY:
                return
            self.account.await_all("recover")
            gevent.sleep(next(waits))
            wire = self._reopen(waits)

    def _reopen(self, waits: Iterator[float]) -> Wire:
        """Try until there is a connection again."""
        while True:
            self._stay()
            try:
                return self._open()
            except (FeedError, FrameError, Disconnected) as error:
                self.account.fault("refused", str(error))
                gevent.sleep(next(waits))

    def _read(self, wire: Wire, account: Account) -> Disconnected:
        """Read to the end of a connection."""
        try:
            while True:
                self._take(wire, account)
                if wire.full:  # more may be there already, and the others want their turn
                    gevent.sleep(0)
        except Disconnected as end:
            return end
        except (FrameError, MessageError) as error:
            account.fault("protocol", str(error))
            self._cut(wire)
            return Disconnected(ABNORMAL, "it is not of the protocol")

    def _cut(self, wire: Wire) -> None:
        wire.abort()
        RUN.tally.dropped += 1

    def _take(self, wire: Wire, account: Account) -> None:
        messages, count = wire.receive(), wire.taken()
        RUN.tally.received_bytes += count
        late_ns = wire.read_ns - wire.arrived_ns
        ticks = account.take(messages, wire.arrived_ns, late_ns, since_ns=wire.since_ns)
        RUN.tally.histogram(READER_DELAY).add(late_ns)
        if not self._answered.is_set():
            self._answered.set()
        self.after_read(ticks, count, wire.arrived_ns)

    def _change(self, name: str, changes: list[Change]) -> None:
        self._ask(name, changes, lambda: self.account.settle(changes))

    def _ask(
        self, name: str, commands: Sequence[Command], settle: Callable[[], list[str] | None]
    ) -> None:
        """Send commands, and wait until `settle` gives what was wrong with their answers."""
        self._stay()
        began_s = time.perf_counter()
        for command in commands:
            if self._wire is not None:
                self._wire.send(encode(command))
        faults = self._answers(settle)
        self._stay()
        error = Unanswered(faults[0]) if faults else None
        if error is not None:
            self.account.fault("refused", f"{name}: {error}")
        self._request(name, time.perf_counter() - began_s, error)

    def _answers(self, settle: Callable[[], list[str] | None]) -> list[str]:
        deadline_s = time.monotonic() + ANSWER_LIMIT_S
        while (faults := settle()) is None:
            if not self._answered.wait(deadline_s - time.monotonic()):
                return [f"not answered within {ANSWER_LIMIT_S:g} s"]
            self._answered.clear()
            self._stay()
        return faults

    def _request(self, name: str, passed_s: float, error: Exception | None = None) -> None:
        """Tell Locust of something that was asked for, and how long it took."""
        if error is None:
            RUN.tally.histogram(name).add(int(passed_s * 1e9))
        self.environment.events.request.fire(
            request_type="WS",
            name=name,
            response_time=passed_s * 1e3,
            response_length=0,
            exception=error,
            context=self.context(),
        )
