"""The WebSocket handshake on Tornado's HTTP server.

Tornado parses the request; once it is answered with 101 the socket is detached and belongs to the
session's transport. Tornado's own WebSocketHandler keeps 16 KiB per connection and takes a task and
a frame for each message; it also accepts a bad key and unmasked frames.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import HTTPError, RequestHandler

from feed.server.entrance import Entrance, HandshakeRefused, answer
from feed.server.policy import Refusal
from feed.sessions.entitlements import Principal


class StreamHandler(RequestHandler):
    """`/v1/stream`: opens a session for each proper handshake."""

    def initialize(self, entrance: Entrance) -> None:
        """Take what the application was built with."""
        self._entrance = entrance

    async def get(self, *_: Any) -> None:
        """Answer the handshake and hand the socket over."""
        try:
            principal = self._entrance.admit(self.request)
        except HandshakeRefused as error:
            self._refuse(error.refusal)
        else:
            await self._accept(principal)

    def log_exception(self, *error: Any) -> None:
        """Log what went wrong here; a mistake of the peer is answered, and no more."""
        if not isinstance(error[1], HTTPError):
            super().log_exception(*error)

    def _refuse(self, refusal: Refusal) -> None:
        status, code, reason = refusal
        self._entrance.registry.hub.metrics.refuse(code)
        if status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        self.set_status(status)
        if status == 426:
            self.set_header("Upgrade", "websocket")
            self.set_header("Sec-WebSocket-Version", "13")
        if status in (429, 503):
            self.set_header("Retry-After", "5")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{code}: {reason}\n")

    async def _accept(self, principal: Principal | None) -> None:
        batched = self.get_query_argument("batch", "0") == "1"
        stream = self.detach()
        try:
            await stream.write(answer(self.request))
            sock, early = take_socket(stream)
        except StreamClosedError:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._entrance.open(self.request, sock, early, principal=principal, batched=batched)


def take_socket(stream: IOStream) -> tuple[socket.socket, bytes]:
    """Take the socket out of a stream, with the bytes that were read beyond the handshake.

    Raises:
        StreamClosedError: the peer has gone.
    """
    read = asyncio.ensure_future(stream.read_bytes(65_536, partial=True))
    early = read.result() if read.done() else b""
    IOLoop.current().remove_handler(stream.socket)
    return stream.socket, early
