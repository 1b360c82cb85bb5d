"""A client comes back: nothing is lost, or exactly what is lost is told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise, repeat
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.client.aio import Connection
from feed.client.commands import Terms
from feed.client.conversation import Conversation
from feed.client.events import Disorder, Event, Gap, Reconnected
from feed.client.handshake import read_url
from feed.client.transport import dial
from feed.protocol.codec import encode
from feed.protocol.frames import Opcode
from feed.protocol.messages import Delivery, Skipped
from feed.sessions.limits import Limits
from feed.ticks import CHANNEL_OF, Tick
from tests.chaos import Chaos, chaos
from tests.fakes import FakeTransport, World, frames, quote, trade
from tests.integration.running import Feed, environment, serving

STOPPED_S = 2.0


def connect(port: int, events: list[Event], *symbols: str) -> Connection:
    """Connect a client that comes back at once."""
    url = f"ws://127.0.0.1:{port}"
    return Connection(
        url,
        lambda: dial(read_url(url)),
        symbols=list(symbols),
        on_event=events.append,
        backoff=lambda: repeat(0.01),
    )


def numbered(ticks: list[Tick]) -> dict[tuple[str, str], list[int]]:
    """Give the seqs of each stream in the order they came."""
    streams: dict[tuple[str, str], list[int]] = {}
    for tick in ticks:
        streams.setdefault((CHANNEL_OF[type(tick)], tick.symbol), []).append(tick.seq)
    return streams


def holes(ticks: list[Tick]) -> list[tuple[int, int]]:
    """Give each place where a stream does not go on with the next seq."""
    return [
        (one, other)
        for seqs in numbered(ticks).values()
        for one, other in pairwise(seqs)
        if other != one + 1
    ]


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    arguments = ("--simulate", "AAPL,MSFT,IBM", "--rate", "4000")
    with serving(tmp_path_factory.mktemp("feed"), *arguments) as running:
        yield running


async def read_through(connection: Connection, proxy: Chaos, cuts: int) -> list[Tick]:
    """Cut the connection whenever some more ticks have come, and read on after the last cut."""
    got: list[Tick] = []
    wanted = 200
    async with connection as ticks:
        async for batch in ticks.batches():
            got += batch
            if len(got) >= wanted:
                if not cuts:
                    return got
                cuts -= proxy.cut()
                wanted = len(got) + 200
    raise AssertionError("the stream ended")


@pytest.mark.parametrize(("symbols", "split"), [(("AAPL", "MSFT"), False), (("*",), True)])
def test_twenty_cuts_lose_and_repeat_nothing(
    feed: Feed, symbols: tuple[str, ...], split: bool
) -> None:
    events: list[Event] = []

    async def main() -> tuple[list[Tick], Connection]:
        async with chaos(feed.port) as proxy:
            proxy.split = split
            connection = connect(proxy.port, events, *symbols)
            return await read_through(connection, proxy, 20), connection

    got, connection = asyncio.run(main())
    assert connection.stats.reconnects == 20
    assert connection.stats.resumed > 0
    assert holes(got) == []
    assert len(numbered(got)) == (4 if symbols != ("*",) else 6)
    assert not [own for own in events if isinstance(own, Gap | Disorder | Skipped)]
    assert all(own.same_epoch for own in events if isinstance(own, Reconnected))


def test_delays_and_stalls_cost_no_connection_and_no_tick(feed: Feed) -> None:
    events: list[Event] = []

    async def main() -> list[Tick]:
        got: list[Tick] = []
        async with chaos(feed.port) as proxy, connect(proxy.port, events, "AAPL") as ticks:
            proxy.delay_s = 0.02
            async for batch in ticks.batches():
                got += batch
                if proxy.flowing.is_set():
                    proxy.flowing.clear()
                    asyncio.get_running_loop().call_later(0.1, proxy.flowing.set)
                if len(got) >= 1_000:
                    break
        return got

    assert holes(asyncio.run(main())) == []
    assert not [own for own in events if isinstance(own, Gap | Disorder | Reconnected)]


def test_a_server_that_starts_again_begins_a_new_numbering_and_says_so(tmp_path: Path) -> None:
    events: list[Event] = []
    arguments = ("--simulate", "AAPL", "--rate", "1000")

    async def main() -> None:
        with serving(tmp_path, *arguments) as first:
            connection = connect(first.port, events, "AAPL")
            await connection.__aenter__()
            for _ in range(100):
                await anext(connection)
            epoch = connection.epoch
            first.process.send_signal(signal.SIGTERM)
            while first.process.poll() is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(anext(connection), 0.05)
        with serving(tmp_path, *arguments, "--port", str(first.port)):
            while not [own for own in events if isinstance(own, Reconnected)]:
                await anext(connection)
            for _ in range(100):
                await anext(connection)
            assert connection.epoch != epoch
            await connection.close()

    asyncio.run(main())
    (back,) = [own for own in events if isinstance(own, Reconnected)]
    assert not back.same_epoch
    assert not [own for own in events if isinstance(own, Gap | Disorder)]


STOPPED_CLIENT = """\
import asyncio, collections, sys
import feed, orjson
from feed.client.events import Skipped

async def main():
    spans = collections.defaultdict(list)
    def note(event):
        if isinstance(event, Skipped):
            spans[event.symbol].append((event.first_seq, event.last_seq))
    wanted = 2_000
    options = dict(channels="quotes", snapshot=False, on_event=note)
    async with feed.connect(sys.argv[1], "*", **options) as ticks:
        print("reading", flush=True)
        async for batch in ticks.batches():
            for tick in batch:
                spans[tick.symbol].append((tick.seq, tick.seq))
            wanted -= len(batch) if ticks.skipped else 0
            if wanted <= 0:
                break
    print(orjson.dumps([spans, ticks.skipped, ticks.gaps, ticks.stats.disorders]).decode())

asyncio.run(main())
"""


def test_what_a_stopped_client_received_and_what_it_was_told_is_skipped_are_everything(
    tmp_path: Path,
) -> None:
    with (
        serving(tmp_path, "--simulate", "AAPL,MSFT", "--rate", "40000") as feed,
        subprocess.Popen(
            [sys.executable, "-c", STOPPED_CLIENT, feed.url],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as client,
    ):
        assert client.stdout is not None
        assert client.stdout.readline() == "reading\n"
        client.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)  # a real process, a real kernel's buffers: no time to inject
        client.send_signal(signal.SIGCONT)
        spans, skipped, gaps, disorders = orjson.loads(client.stdout.read())
    assert (gaps, disorders) == (0, 0)
    assert skipped > 0
    for own in spans.values():
        own.sort()
        assert all(first == last + 1 for (_, last), (first, _) in pairwise(own))


class Rig:
    """The client's conversation and the server's sessions, joined without sockets."""

    def __init__(self, delivery: Delivery, journal_ticks: int) -> None:
        limits = Limits(outbox_bytes=20_000)
        self.world = World(frozenset("AB"), limits, journal_ticks_per_stream=journal_ticks)
        self.events: list[Event] = []
        self.ticks: list[Tick] = []
        self.client = Conversation(clock=self.world.clock, tell=self.events.append)
        self.open()
        for command in self.client.subscribe(["A", "B"], ["quotes", "trades"], Terms(delivery)):
            self.session.receive(encode(command))
        self.hear()

    def open(self) -> None:
        """Make a connection and ask for all that is wanted."""
        self.transport = FakeTransport()
        self.session = self.world.registry.open(self.transport, batched=True, peer="test")
        self.read = 0
        self.client.lost()
        self.hear()
        for command in self.client.open(None):
            self.session.receive(encode(command))

    def hear(self) -> None:
        """Let the client read all whole frames; once it was closed it comes back."""
        found = frames(bytes(self.transport.taken), torn=True)
        fresh, self.read = found[self.read :], len(found)
        self.ticks += self.client.take([body for opcode, body in fresh if opcode == Opcode.TEXT])
        if any(opcode == Opcode.CLOSE for opcode, _ in fresh):
            self.cut()

    def cut(self) -> None:
        """Lose what is on its way, and come back."""
        self.session.lost()
        self.open()

    def stall(self) -> None:
        self.transport.room = 700

    def drain(self) -> None:
        self.transport.room = 1 << 40
        for _ in range(100):
            self.world.fire_timers()
            self.session.delivery.drain()
            self.world.hub.flush()
        self.hear()

    def publish(self, count: int) -> None:
        """Publish to the streams in turn."""
        for each in range(count):
            make = quote if each % 3 else trade
            self.world.publish(make("AB"[each % 2]))
            self.world.hub.flush()


STEPS = st.lists(
    st.sampled_from(["stall", "drain", "cut", "hear"]) | st.integers(1, 60), max_size=25
)


@given(st.sampled_from(["adaptive", "all", "latest"]), st.integers(1, 60), STEPS)
def test_received_skipped_and_admitted_losses_are_each_seq_once_whatever_happens(
    delivery: Delivery, journal_ticks: int, steps: list[str | int]
) -> None:
    rig = Rig(delivery, journal_ticks)
    for step in steps:
        if isinstance(step, int):
            rig.publish(step)
        else:
            getattr(rig, step)()
    rig.drain()
    rig.drain()
    account: dict[tuple[str, str], list[int]] = numbered(rig.ticks)
    for event in rig.events:
        if isinstance(event, Skipped | Gap):
            span = range(event.first_seq, event.last_seq + 1)
            account.setdefault((event.channel, event.symbol), []).extend(span)
    assert not [own for own in rig.events if isinstance(own, Disorder)]
    assert all(own.told for own in rig.events if isinstance(own, Gap))
    last = {(own.channel, own.symbol): own.seq for own in rig.world.hub.index.streams() if own.seq}
    assert {key: sorted(seqs) for key, seqs in account.items()} == {
        key: list(range(1, seq + 1)) for key, seq in last.items()
    }
