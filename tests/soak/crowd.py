"""Many clients of one feed in a process of their own, each with a watchlist and an account.

`python -m tests.soak.crowd URL CLIENTS [BACKOFF_S]` writes `{}` once everybody is subscribed, then
carries out a command per line of standard input and answers each with one line of JSON:

    phase NAME       count latencies under this name from now on
    drop             drop every connection at once
    delay SECONDS, split, stall, flow, cut, calm
                     what the proxy does, through which everybody connects
    report           give everything counted so far
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import repeat
from typing import Any

import orjson

from feed.client.aio import Connection
from feed.client.audit import Audit
from feed.client.backoff import delays
from feed.client.commands import Terms
from feed.client.events import Disconnect, Event
from feed.client.handshake import Address, read_url
from feed.client.transport import Transport, dial
from feed.errors import FeedError
from feed.ticks import Tick
from tests.chaos import Chaos, chaos

SYMBOLS = 200
"""The market is S000 to S199; see feed.sources.simulate.parse_symbols."""

WATCHED = 10
STRIDE = 7
HEARTBEAT = '{"type":"heartbeat"'
PERCENTS = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}


class Phase:
    """What was measured between two commands: ticks' latencies, and the server's own lag."""

    def __init__(self) -> None:
        self.latencies_ms: list[float] = []
        self.lag_ms = 0.0

    def report(self) -> dict[str, float]:
        ordered = sorted(self.latencies_ms)
        ranks = {
            name: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
            for name, share in PERCENTS.items()
            if ordered
        }
        return {"samples": len(ordered), "lag_ms": self.lag_ms, **ranks}


class Overhearing:
    """A transport that also takes note of the lag in heartbeats, which the client does not keep."""

    def __init__(self, transport: Transport, hear: Callable[[float], None]) -> None:
        self.send = transport.send
        self.abort = transport.abort
        self.close = transport.close
        self._receive = transport.receive
        self._hear = hear

    async def receive(self, timeout_s: float | None) -> list[str | bytes]:
        messages = await self._receive(timeout_s)
        for message in messages:
            if isinstance(message, str) and message.startswith(HEARTBEAT):
                self._hear(orjson.loads(message)["lag_ms"])
        return messages


class Crowd:
    """The clients.

    Args:
        backoff_s: how long everybody waits before coming back; None is the client's own backoff.
    """

    def __init__(self, address: Address, clients: int, backoff_s: float | None) -> None:
        self.everybody = asyncio.Event()
        self._address = address
        self._backoff_s = backoff_s
        self._phases = {"": Phase()}
        self._phase = self._phases[""]
        self._disconnects: Counter[str] = Counter()
        self._failures: list[str] = []
        self._subscribed = 0
        self._audits: list[Audit] = []
        self._connections = [self._connection(number) for number in range(clients)]

    async def run(self, number: int) -> None:
        """Be one client, for as long as the process runs."""
        connection, audit = self._connections[number], self._audits[number]
        try:
            async with connection as ticks:
                self._subscribed += 1
                if self._subscribed == len(self._connections):
                    self.everybody.set()
                async for batch in ticks.batches():
                    self._take(batch, audit)
        except FeedError as error:
            self._failures.append(str(error))

    def phase(self, name: str) -> None:
        self._phase = self._phases.setdefault(name, Phase())

    def drop(self) -> None:
        for connection in self._connections:
            connection.drop()

    def report(self) -> dict[str, Any]:
        stats = [own.stats for own in self._connections]
        audits = self._audits
        faults = sum((Counter(own.faults) for own in audits), Counter[str]())
        return {
            "clients": len(self._connections),
            "connected": sum(own.connected for own in self._connections),
            "ticks": sum(own.ticks for own in stats),
            "skipped": sum(own.skipped for own in stats),
            "resumed": sum(own.resumed for own in stats),
            "reconnects": sum(own.reconnects for own in stats),
            "stale": sum(own.stale for own in stats),
            "lost": sum(own.lost for own in audits),
            "epochs": sum(own.epochs for own in audits),
            "faults": faults,
            "examples": [own.examples for own in audits if own.examples][:5],
            "disconnects": self._disconnects,
            "failures": self._failures,
            "phases": {name: own.report() for name, own in self._phases.items()},
        }

    def _connection(self, number: int) -> Connection:
        symbols = [f"S{(number * STRIDE + at) % SYMBOLS:03}" for at in range(WATCHED)]
        channels = ["quotes", "trades"]
        audit = Audit(symbols, channels)
        self._audits.append(audit)

        def hear(event: Event) -> None:
            audit.hear(event)
            if isinstance(event, Disconnect):
                self._disconnects[str(event.code)] += 1

        backoff_s = self._backoff_s
        return Connection(
            self._address.shown,
            self._dial,
            defaults=(channels, Terms()),
            symbols=symbols,
            on_event=hear,
            backoff=delays if backoff_s is None else lambda: repeat(backoff_s),
        )

    async def _dial(self) -> Transport:
        return Overhearing(await dial(self._address), self._lag)

    def _lag(self, lag_ms: float) -> None:
        self._phase.lag_ms = max(self._phase.lag_ms, lag_ms)

    def _take(self, batch: list[Tick], audit: Audit) -> None:
        """Count a batch's oldest tick, which has waited longest."""
        self._phase.latencies_ms.append((time.time_ns() - batch[0].ts_out) / 1e6)
        audit.take(batch)


async def obey(crowd: Crowd, proxy: Chaos) -> None:
    """Carry out commands until standard input ends."""
    commands: dict[str, Callable[..., object]] = {
        "phase": crowd.phase,
        "drop": crowd.drop,
        "report": crowd.report,
        "cut": proxy.cut,
        "stall": proxy.flowing.clear,
        "flow": proxy.flowing.set,
        "split": lambda: setattr(proxy, "split", True),
        "delay": lambda seconds: setattr(proxy, "delay_s", float(seconds)),
        "calm": lambda: vars(proxy).update(split=False, delay_s=0.0),
    }
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        answer(commands[line[0]](*line[1:]))


def answer(value: object) -> None:
    sys.stdout.write(orjson.dumps(value if isinstance(value, dict) else {}).decode() + "\n")
    sys.stdout.flush()


async def main(url: str, clients: str, backoff_s: str = "", proxied: str = "") -> None:
    address = read_url(url)
    async with chaos(address.port) as proxy:
        if proxied:
            address = read_url(f"ws://127.0.0.1:{proxy.port}")
        crowd = Crowd(address, int(clients), float(backoff_s) if backoff_s else None)
        running = [asyncio.create_task(crowd.run(number)) for number in range(int(clients))]
        await crowd.everybody.wait()
        gc.collect()
        gc.freeze()
        answer({})
        await obey(crowd, proxy)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        proxy.cut()
        relays = asyncio.all_tasks() - {asyncio.current_task()}
        if relays:  # they would tell of being cancelled
            await asyncio.wait(relays)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
