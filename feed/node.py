"""One running process: builds its parts from the settings, runs them, takes them down in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from feed.clock import SystemClock
from feed.door import addresses_of, authority_of, gate_of, limits_of, tell_delays
from feed.errors import ListenError
from feed.hub.bars import BarBuilder
from feed.hub.hub import Hub
from feed.hub.intake import Intake
from feed.hub.stream import Stream
from feed.hub.tickerplant import Tickerplant, new_epoch
from feed.logs import Failures, tell_failure
from feed.protocol.messages import SourcePosition
from feed.recorder import Recorder
from feed.server.lifecycle import Server
from feed.sessions.registry import Registry
from feed.sessions.requests import Universe
from feed.settings import Settings
from feed.sources.base import Source
from feed.sources.ingest import Ingest
from feed.sources.pace import NS_PER_S
from feed.state import State
from feed.symbols import ALL_SYMBOLS
from feed.ticks import Tick

log = logging.getLogger(__name__)

SHIPPED_TAPE = "synthetic-ticks.csv.gz"

SETTLED_S = 10.0
"""After so long most streams are there, and searches for garbage need not go through them."""


def sources_of(settings: Settings) -> list[Source]:
    """Open the sources that the settings name; with none, the shipped tape in a loop.

    Raises:
        TapeError, SettingError, MissingExtraError: a source cannot be opened.
    """
    from feed.sources.replay import Replay
    from feed.sources.simulate import Simulate, parse_symbols
    from feed.tape.options import TapeOptions
    from feed.tape.reader import open_tape

    sources: list[Source] = []
    if settings.replay:
        options = TapeOptions(
            mapping=dict(settings.map),
            symbol=settings.symbol,
            time_format=settings.time_format,
            time_zone=settings.time_zone,
            bad_rows=cast(Any, settings.bad_rows),
            start_ns=settings.start,
            end_ns=settings.end,
        )
        tape = open_tape([Path(path) for path in settings.replay], options)
        sources.append(Replay(tape, speed=settings.speed, loop=settings.loop))
    if settings.simulate:
        symbols = parse_symbols(settings.simulate)
        sources.append(Simulate(symbols, rate=settings.rate, seed=settings.seed))
    if not sources:
        shipped = Path(str(files("feed") / "replay_data" / SHIPPED_TAPE))
        sources.append(Replay(open_tape([shipped], TapeOptions()), speed=settings.speed, loop=True))
    return sources


def _state(settings: Settings) -> State | None:
    if settings.state_dir is None:
        return None
    return State(Path(settings.state_dir), settings.journal_limit_bytes)


def _recorder(settings: Settings, epoch: Callable[[], str]) -> Recorder | None:
    if settings.record is None:
        return None
    return Recorder(
        Path(settings.record),
        epoch,
        flush_interval_s=settings.record_flush_interval_s,
        rotate_s=settings.record_rotate_s,
        queue_ticks=settings.record_queue_ticks,
    )


def declared(sources: list[Source]) -> frozenset[str] | None:
    """Give every symbol that the sources will publish, or None when one cannot tell."""
    symbols: set[str] = set()
    for source in sources:
        if source.symbols is None:
            return None
        symbols |= source.symbols
    return frozenset(symbols)


class Node:
    """A feed process.

    Attributes:
        sources: what it publishes, for whoever shows their progress.
        hub: with its metrics, likewise.
    """

    def __init__(self, settings: Settings) -> None:
        self.sources = sources_of(settings)
        self.hub = Hub(
            self._schedule,
            journal_ticks_per_stream=settings.journal_ticks_per_stream,
            journal_limit_bytes=settings.journal_limit_bytes,
            soon=lambda call: asyncio.get_running_loop().call_soon(call),
        )
        self._settings = settings
        self._gate = gate_of(settings)
        self._flush_interval_s = settings.flush_interval_ms / 1000
        self._clock = SystemClock()
        self._state = _state(settings)
        self._tickerplant = Tickerplant(self.hub.index, self._take, self._clock)
        if self._state is not None:
            self._state.restore(self.hub, self._tickerplant)
        self._recorder = _recorder(settings, lambda: self._tickerplant.epoch)
        authority = authority_of(settings)
        self._ingest = Ingest(
            self._way_in,
            clock=self._clock,
            allow_crossed=settings.allow_crossed,
            symbols_limit=settings.published_symbols,
        )
        known = declared(self.sources)
        if authority.anonymous.publish or authority.mode != "none":
            self.sources.append(self._ingest)
        self._registry = Registry(
            self.hub,
            self._tickerplant.epoch,
            Universe(known, self._published, authority.publishable),
            clock=self._clock,
            limits=limits_of(settings),
            heartbeat_interval_s=settings.heartbeat_interval_s,
            sources=lambda: {source.name: source.state for source in self.sources},
            later=lambda delay_s, call: asyncio.get_running_loop().call_later(delay_s, call),
            authority=authority,
            publish=self._ingest.publish,
            addresses=addresses_of(settings),
            positions=self._positions,
        )
        self._registry.tiers.open(tell_delays(authority, settings))

    async def run(self, ready: Callable[[str], None]) -> None:
        """Serve until SIGINT or SIGTERM, or until a source fails; then drain.

        Args:
            ready: told the address once connections are accepted.

        Raises:
            ListenError: the address cannot be had.
            TapeError, SourceError: a source could not go on.
        """
        settings = self._settings
        server = Server(
            self._registry,
            drain_timeout_s=settings.drain_timeout_s,
            sources=lambda: self.sources,
            recorder=self._recorder,
            gate=self._gate,
        )
        try:
            address = server.listen(settings.host, settings.port, settings.send_buffer_bytes)
        except ListenError:
            await self._close()
            raise
        stopping = asyncio.Event()
        _on_signals(stopping.set, server.hurry, server.reload)
        keeping = [asyncio.create_task(self._keep_state(), name="state")]
        if self._recorder is not None:
            keeping.append(asyncio.create_task(self._recorder.run(), name="recorder"))
        for task in keeping:
            task.add_done_callback(tell_failure)
        feeding = [asyncio.create_task(self._feed(own), name=own.name) for own in self.sources]
        _quieten_collector()
        asyncio.get_running_loop().call_later(SETTLED_S, _quieten_collector, 1)
        ready(address)
        try:
            await _first_of(stopping, feeding)
        finally:
            await _cancel([*feeding, *keeping])
            self.hub.flush()
            await server.drain()
            await self._close()
        for task in feeding:
            if not task.cancelled():
                task.result()

    async def _feed(self, source: Source) -> None:
        intake = Intake(
            self._tickerplant,
            self.hub,
            self._clock.now_ns,
            self._registry.admission,
            as_rows=not (self._state or self._recorder),
            brings_bars=source.brings_bars,
        )
        controls = source.controls

        def restart() -> None:
            intake.restart()
            self._begin_epoch(source)

        if controls is not None:
            controls.on_arrival(restart)
        while True:
            await source.run(intake.publish if self._flush_interval_s else intake.send)
            log.info("source %s ended", source.name)
            if controls is None or not controls.seekable:
                return
            await controls.sought()

    def _begin_epoch(self, source: Source) -> None:
        """Number anew, as a source goes on from elsewhere and what it published is void."""
        epoch = new_epoch()
        log.info("source %s goes on from elsewhere: epoch %s begins", source.name, epoch)
        self.hub.restart(ALL_SYMBOLS if source.symbols is None else source.symbols)
        self._tickerplant.epoch = epoch
        if self._state is not None:
            self._state.restart(epoch)
        self._registry.restart(epoch, "seek")

    def _positions(self) -> dict[str, SourcePosition]:
        at = ((source.name, source.position) for source in self.sources)
        return {name: SourcePosition(own.ts_event, own.speed, own.ticks) for name, own in at}

    def _way_in(self) -> Callable[[list[Tick]], list[Tick]]:
        """Give the way of one publisher's ticks into the feed, with bars by its own event time."""
        bars = BarBuilder(rewind_ns=60 * NS_PER_S)
        tickerplant = self._tickerplant

        def through(ticks: list[Tick]) -> list[Tick]:
            burst = bars.extend(ticks, max(tick.ts_event for tick in ticks))
            tickerplant.publish(burst)
            return burst

        return through

    def _take(self, ticks: list[Tick], streams: list[Stream]) -> None:
        """Be the bus of a single node: the hub is right here."""
        if self._state is not None:
            self._state.append(ticks)
        if self._recorder is not None:
            self._recorder.append(ticks)
        self._registry.admission.expire(ticks[0].ts_out)
        self.hub.receive(ticks, streams)

    async def _keep_state(self) -> None:
        """Write what there is again and again; whatever happens in a flush, it is not the last."""
        failures = Failures(log, "flushes of the state")
        while self._state is not None:
            await asyncio.sleep(self._settings.state_flush_interval_s)
            with failures.told():
                await self._state.flush(self.hub)

    async def _close(self) -> None:
        if self._state is not None:
            await self._state.close(self.hub)
        if self._recorder is not None:
            await self._recorder.close()

    def _published(self, symbol: str) -> bool:
        return any(symbol in streams for streams in self.hub.index.by_kind.values())

    def _schedule(self, flush: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if self._flush_interval_s:
            loop.call_later(self._flush_interval_s, flush)
        else:
            loop.call_soon(flush)


def _quieten_collector(generation: int = 2) -> None:
    """Keep garbage collection out of the latency.

    What exists now stays for good, so it need not be looked at again. Ticks are not tracked, and
    sessions break their cycles when they end, so there is little to find: a full search is rare.
    """
    gc.collect(generation)
    gc.freeze()
    gc.set_threshold(2_000, 10, 1_000)


def _on_signals(
    stop: Callable[[], None], hurry: Callable[[], None], reload: Callable[[], None]
) -> None:
    """The first SIGINT or SIGTERM drains, the second ends the process now; SIGHUP reloads."""
    signals: list[int] = []

    def on_signal(number: int) -> None:
        signals.append(number)
        stop() if len(signals) == 1 else hurry()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)


async def _first_of(stopping: asyncio.Event, feeding: list[asyncio.Task[None]]) -> None:
    """Wait for the event, or for the first source that fails; one may end and the others go on."""
    stopped = asyncio.create_task(stopping.wait())
    waiting: set[asyncio.Task[Any]] = {stopped, *feeding}
    while stopped in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if any(task.exception() for task in done):
            break
    await _cancel([stopped])


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
