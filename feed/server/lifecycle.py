"""From the listening socket to the last goodbye: accepting, heartbeats, draining."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from feed.logs import Failures, tell_failure
from feed.recorder import Recorder
from feed.server.app import bind, listen
from feed.server.exposition import Sources
from feed.server.gate import Gate
from feed.server.listener import Listener
from feed.server.memory import Tidy
from feed.server.transport import LINGER_S
from feed.sessions.registry import Registry

log = logging.getLogger(__name__)

DRAIN_STEP_S: Final = 0.05
GOODBYE_S: Final = LINGER_S + 0.5
"""How long the last close frames may take to be answered before the process goes."""


class Server:
    """The network side of a node.

    Args:
        drain_timeout_s: how long `drain` waits for sessions to take what they are owed.
        sources: gives those that publish, for probes and metrics.
        recorder: has what the journal has no longer.
        gate: what is asked of a connection.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        drain_timeout_s: float,
        sources: Sources = lambda: (),
        recorder: Recorder | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._registry = registry
        self._gate = gate or Gate()
        self._sources = sources
        self._recorder = recorder
        self._drain_timeout_s = drain_timeout_s
        self._listener: Listener | None = None
        self._beating: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self._tidy = Tidy()
        self._failures = Failures(log, "heartbeats")

    def listen(self, host: str, port: int, send_buffer_bytes: int) -> str:
        """Accept connections from now on and give the address for people.

        Raises:
            ListenError: the address cannot be had.
        """
        sockets = bind(host, port, send_buffer_bytes)
        self._listener = listen(self._registry, sockets, self._sources, self._recorder, self._gate)
        self._beating = asyncio.create_task(self._keep_beating(), name="heartbeats")
        self._beating.add_done_callback(tell_failure)
        bound = sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        return f"{shown}:{bound}"

    def reload(self, *, asked: bool = True) -> None:
        """Take a new certificate, if there is one; sessions that stand are untouched."""
        certificate = self._gate.certificate
        if certificate is not None:
            certificate.reload(asked=asked)
            failures = self._registry.hub.metrics.reload_failures
            failures["tls"] = certificate.reload_failures

    def hurry(self) -> None:
        """Give up draining: whatever is still owed is lost, the process ends now."""
        self._hurried.set()

    async def drain(self) -> None:
        """Let sessions take what they are owed, and send them home.

        It lasts until every peer has closed its side too, so that none of them is reset. Whoever
        comes meanwhile is answered: 503, and not ready.
        """
        if len(self._registry):
            log.info("draining %d sessions", len(self._registry))
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._drain_timeout_s - GOODBYE_S
        await self._until(lambda: not self._registry.drain(), deadline_s)
        self._registry.close_all()
        await self._until(lambda: not self._registry.connections, loop.time() + GOODBYE_S)
        if self._beating is not None:
            self._beating.cancel()
        if self._listener is not None:
            self._listener.stop()
            await self._listener.close_all_connections()

    async def _until(self, condition: Callable[[], bool], deadline_s: float) -> None:
        loop = asyncio.get_running_loop()
        while not condition() and loop.time() < deadline_s and not self._hurried.is_set():
            await self._wait(DRAIN_STEP_S)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._hurried.wait(), seconds)
        except TimeoutError:
            return

    async def _keep_beating(self) -> None:
        """Beat at the registry's interval; whatever happens in a beat, it is not the last one."""
        interval_s = self._registry.beat_interval_s
        due_s = time.monotonic() + interval_s
        while True:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self._beat(max(0.0, time.monotonic() - due_s))
            due_s = max(due_s + interval_s, time.monotonic())

    def _beat(self, lag_s: float) -> None:
        """Do what is due, each part though another fails; `lag_s` is how late the loop is."""
        metrics, told = self._registry.hub.metrics, self._failures.told
        metrics.loop_lag.observe(lag_s)
        metrics.settle()
        with told():
            self._registry.beat(lag_s * 1000)
        with told():
            self._tidy.look(metrics.sessions_opened + sum(metrics.sessions_closed.values()))
        with told():
            self.reload(asked=False)
