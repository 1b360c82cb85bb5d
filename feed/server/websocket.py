"""The WebSocket handshake (RFC 6455 section 4.2) on Tornado's HTTP server.

Tornado parses the request; once it is answered with 101 the socket is detached and belongs to the
session's transport. Tornado's own WebSocketHandler keeps 16 KiB per connection and takes a task and
a frame for each message; it also accepts a bad key and unmasked frames.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import ssl
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketProtocol13

from feed import codes
from feed.codes import CloseCode
from feed.errors import AuthenticationError
from feed.server.access import SUBPROTOCOL, browser_token, header_token, subprotocols
from feed.server.encrypted import TlsTransport
from feed.server.gate import Gate, address_of, unavailable
from feed.server.policy import Refusal
from feed.server.transport import SocketTransport
from feed.server.turn import Turn
from feed.sessions.entitlements import Principal
from feed.sessions.registry import Registry

BAD = "bad_handshake"
ACCEPTED = (
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {accept}\r\n"
)


def refusal(request: HTTPServerRequest) -> Refusal | None:
    """Say why a request is no proper opening handshake, or None."""
    headers = request.headers
    connection = [part.strip().lower() for part in headers.get("Connection", "").split(",")]
    if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in connection:
        return 426, BAD, "this address speaks WebSocket: send Upgrade: websocket"
    if request.version != "HTTP/1.1" or request.method != "GET":
        return 400, BAD, "a WebSocket handshake must be GET with HTTP/1.1"
    if headers.get("Sec-WebSocket-Version") != "13":
        return 426, BAD, "Sec-WebSocket-Version must be 13"
    if not _key_ok(headers.get("Sec-WebSocket-Key", "")):
        return 400, BAD, "Sec-WebSocket-Key must be 16 bytes in base64"
    return None


def _key_ok(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


class StreamHandler(RequestHandler):
    """`/v1/stream`: opens a session for each proper handshake."""

    def initialize(self, registry: Registry, turn: Turn, gate: Gate) -> None:
        """Take what the application was built with."""
        self._registry = registry
        self._gate = gate
        self._turn = turn

    async def get(self, *_: Any) -> None:
        """Answer the handshake and hand the socket over."""
        refused = refusal(self.request)
        if refused is None:
            try:
                principal = self._header_principal()
                refused = unavailable(self.request, self._registry, principal)
            except AuthenticationError as error:
                refused = 401, codes.BAD_TOKEN, str(error)
        if refused is None:
            await self._accept(principal)
            return
        status, code, reason = refused
        self._registry.hub.metrics.refuse(code)
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

    def log_exception(self, *error: Any) -> None:
        """Log what went wrong here; a mistake of the peer is answered, and no more."""
        if not isinstance(error[1], HTTPError):
            super().log_exception(*error)

    def _header_principal(self) -> Principal | None:
        """Give the principal of the Authorization header, if it is there and asked for."""
        authority = self._registry.authority
        token = None if authority.mode == "none" else header_token(self.request)
        return None if token is None else authority.identify(token)

    def _browser_principal(self) -> Principal | None:
        """Likewise of where a page puts a token; pages see close codes, but no HTTP status."""
        authority = self._registry.authority
        if authority.mode == "none":
            return None
        token = browser_token(self.request, in_url=self._gate.token_in_url)
        return None if token is None else authority.identify(token)

    async def _accept(self, principal: Principal | None) -> None:
        key = self.request.headers["Sec-WebSocket-Key"]
        batched = self.get_query_argument("batch", "0") == "1"
        peer = address_of(self.request, self._registry)
        failure = ""
        if principal is None:
            try:
                principal = self._browser_principal()
            except AuthenticationError as error:
                failure = str(error)
        head = ACCEPTED.format(accept=WebSocketProtocol13.compute_accept_value(key))
        if SUBPROTOCOL in subprotocols(self.request):
            head += f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"
        stream = self.detach()
        try:
            await stream.write(f"{head}\r\n".encode())
            sock, early = take_socket(stream)
        except StreamClosedError:
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kind = TlsTransport if isinstance(sock, ssl.SSLSocket) else SocketTransport
        transport = kind(
            sock,
            asyncio.get_running_loop(),
            self._turn,
            self._registry.limits.message_bytes,
            self._registry.hub.metrics,
        )
        session = self._registry.open(transport, batched=batched, peer=peer, principal=principal)
        transport.start(session, early)
        if failure:
            session.close(CloseCode.UNAUTHENTICATED, failure)


def take_socket(stream: IOStream) -> tuple[socket.socket, bytes]:
    """Take the socket out of a stream, with the bytes that were read beyond the handshake.

    Raises:
        StreamClosedError: the peer has gone.
    """
    read = asyncio.ensure_future(stream.read_bytes(65_536, partial=True))
    early = read.result() if read.done() else b""
    IOLoop.current().remove_handler(stream.socket)
    return stream.socket, early
