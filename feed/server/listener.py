"""Accepting connections, in small bursts and only while there are descriptors to spare.

Tornado's own accept handler takes 128 connections in one turn of the loop, which sessions feel as
a stall. When descriptors run out it raises in every turn: a busy core, and tracebacks by the
thousand.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterable
from typing import Any, Final

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream

from feed.server import descriptors
from feed.server.arrivals import Arrivals
from feed.server.entrance import Entrance
from feed.server.turn import Turn

log = logging.getLogger(__name__)

BUFFER_BYTES: Final = 262_144
"""The most that is read ahead of a request; headers and bodies have limits of their own."""

BURST: Final = 16
"""How many connections Tornado is given in one turn of the loop, a third of a ms each."""

CROWD: Final = 64
"""How many are accepted in one turn where they queue to be looked at."""

SPARE: Final = 8
"""How many descriptors are never given to connections, as files are opened at any time."""

PAUSE_S: Final = 0.25
"""How long nothing is accepted when there is no descriptor to spare."""

TELL_S: Final = 60.0
"""How often that is logged at most."""


class Listener:
    """Hands connections to an HTTP server.

    Args:
        sockets: listening, non-blocking; owned by the listener from now on.
        descriptor_limit: how many descriptors the process may have.
        tls: what connections are encrypted with; None leaves them plain.
        entrance: where plain handshakes become sessions; None leaves them all to Tornado.
    """

    def __init__(
        self,
        server: HTTPServer,
        sockets: Iterable[socket.socket],
        descriptor_limit: int,
        tls: ssl.SSLContext | None = None,
        entrance: Entrance | None = None,
    ) -> None:
        self._server = server
        self._tls = tls
        self._sockets = list(sockets)
        self._most = max(SPARE, descriptor_limit - SPARE)
        self._loop = asyncio.get_running_loop()
        self._arrivals: Arrivals | None = None
        if entrance is not None and tls is None:
            self._arrivals = Arrivals(entrance, Turn(self._loop), self._serve)
        self._told_s = -TELL_S
        self._pause: asyncio.TimerHandle | None = None
        self._resume()

    def stop(self) -> None:
        """Accept who is already in the backlog, as closing would reset them, and nobody else."""
        sockets, self._sockets = self._sockets, []
        for sock in sockets:
            self._loop.remove_reader(sock)
            self._accept(sock, self._most)
            sock.close()
        if self._arrivals is not None:
            self._arrivals.stop()
        if self._pause is not None:
            self._pause.cancel()

    async def close_all_connections(self) -> None:
        """Close what is still HTTP; sessions stay."""
        await self._server.close_all_connections()

    def _resume(self) -> None:
        self._pause = None
        most = CROWD if self._arrivals else BURST
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock, most)

    def _accept(self, sock: socket.socket, most: int) -> None:
        take = self._arrivals.take if self._arrivals else self._serve
        for _ in range(most):
            try:
                if descriptors.next_number(sock.fileno()) >= self._most:
                    return self._hold_back("all in use")
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                return self._hold_back(str(error.strerror).lower())
            take(connection, address)

    def _serve(self, connection: socket.socket, address: Any) -> None:
        if self._tls is None:
            self._server.handle_stream(IOStream(connection, BUFFER_BYTES), address)
            return
        try:
            wrapped = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        except OSError:  # it has gone already
            connection.close()
            return
        self._server.handle_stream(SSLIOStream(wrapped, BUFFER_BYTES), address)

    def _hold_back(self, reason: str) -> None:
        """Leave connections in the backlog for a moment."""
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        if self._pause is None:
            self._pause = self._loop.call_later(PAUSE_S, self._resume)
        if self._loop.time() - self._told_s >= TELL_S:
            self._told_s = self._loop.time()
            log.warning("no file descriptor for another connection (%s): they wait", reason)
