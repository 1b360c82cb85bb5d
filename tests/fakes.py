"""Stand-ins for sockets and time, shared by the tests."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import orjson

from feed.hub.bars import BarBuilder
from feed.hub.hub import Hub
from feed.hub.pending import Target
from feed.hub.stream import Stream
from feed.hub.tickerplant import Tickerplant, new_epoch
from feed.sessions.addresses import Addresses
from feed.sessions.auth import Authority
from feed.sessions.entitlements import ANONYMOUS, Principal
from feed.sessions.limits import Limits
from feed.sessions.registry import Registry
from feed.sessions.requests import Universe
from feed.sources.ingest import Ingest
from feed.ticks import Quote, Tick, Trade


class FakeClock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.wall_ns = 1_000
        self.passed_s = 0.0

    def now_ns(self) -> int:
        return self.wall_ns

    def monotonic_s(self) -> float:
        return self.passed_s


class FakeTransport:
    """A socket that takes `room` bytes and remembers them."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.taken = bytearray()
        self.wants_write = False
        self.finished = False
        self.aborted = False

    @property
    def target(self) -> Target:
        return self.write

    def write(self, buffer: bytes | memoryview) -> int:
        size = min(len(buffer), self.room)
        self.taken += buffer[:size]
        self.room -= size
        return size

    def want_turn(self) -> None:
        """Whoever drives the session looks at `busy`."""

    def want_write(self, wanted: bool) -> None:
        self.wants_write = wanted

    def finish(self) -> None:
        self.finished = True

    def abort(self) -> None:
        self.aborted = True


def frames(data: bytes, *, torn: bool = False) -> list[tuple[int, bytes]]:
    """Cut what a server wrote into (opcode, payload); only a torn end may be no whole frame."""
    found, at = [], 0
    while at + 2 <= len(data):
        size, start = data[at + 1], at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        if torn and start + size > len(data):
            break
        assert start + size <= len(data), "the last frame is not whole"
        found.append((data[at] & 0x0F, bytes(data[start : start + size])))
        at = start + size
    return found


def messages(transport: FakeTransport, *, torn: bool = False) -> list[dict[str, Any]]:
    """Give every message written so far, batches spread out."""
    found: list[dict[str, Any]] = []
    for opcode, payload in frames(bytes(transport.taken), torn=torn):
        if opcode == 1:
            value = orjson.loads(payload)
            found.extend(value if isinstance(value, list) else [value])
    return found


class World:
    """A hub with a tickerplant and a registry, driven by hand."""

    def __init__(
        self,
        symbols: frozenset[str] | None = None,
        limits: Limits | None = None,
        journal_ticks_per_stream: int = 4096,
        anonymous: Principal = ANONYMOUS,
        authority: Authority | None = None,
        addresses: Addresses | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.flushes: list[Callable[[], None]] = []
        self.hub = Hub(self.flushes.append, journal_ticks_per_stream=journal_ticks_per_stream)
        self.tickerplant = Tickerplant(self.hub.index, self._take, self.clock)
        self.registry = Registry(
            self.hub,
            self.tickerplant.epoch,
            Universe(symbols, lambda symbol: False),
            clock=self.clock,
            limits=limits or Limits(),
            heartbeat_interval_s=5,
            sources=lambda: {"replay": "live"},
            later=lambda delay_s, call: self.timers.append((delay_s, call)),
            authority=authority or Authority(anonymous=anonymous),
            publish=Ingest(lambda: self._through, clock=self.clock).publish,
            addresses=addresses,
        )
        self._bars = BarBuilder()

    def _take(self, ticks: list[Tick], streams: list[Stream]) -> None:
        self.registry.admission.expire(ticks[0].ts_out)
        self.hub.receive(ticks, streams)

    def _through(self, ticks: list[Tick]) -> list[Tick]:
        burst = self._bars.extend(ticks, max(tick.ts_event for tick in ticks))
        self.tickerplant.publish(burst)
        return burst

    def restart(self, gone: Container[str] = "") -> None:
        """Begin a new numbering, as a node does when a source with these symbols seeks."""
        self.hub.restart(gone)
        self.tickerplant.epoch = new_epoch()
        self.registry.restart(self.tickerplant.epoch, "seek")

    def fire_timers(self) -> None:
        due, self.timers[:] = self.timers[:], []
        for _, call in due:
            call()

    def publish(self, *ticks: Quote | Trade) -> None:
        self.tickerplant.publish(list(ticks))


def quote(symbol: str = "A", bid: float = 1.0) -> Quote:
    return Quote(symbol, 0, 5, bid, 100, bid + 1, 200, 0)


def trade(symbol: str = "A", price: float = 1.5, size: int = 100, ts_event: int = 5) -> Trade:
    return Trade(symbol, 0, ts_event, price, size, 0)
