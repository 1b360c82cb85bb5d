"""What a handshake must be (RFC 6455 section 4.2), and the session it opens, whoever read it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import ssl

from tornado.httputil import HTTPServerRequest
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


def answer(request: HTTPServerRequest) -> bytes:
    """Write the answer to a proper handshake."""
    accept = WebSocketProtocol13.compute_accept_value(request.headers["Sec-WebSocket-Key"])
    head = ACCEPTED.format(accept=accept)
    if SUBPROTOCOL in subprotocols(request):
        head += f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"
    return f"{head}\r\n".encode()


class HandshakeRefused(Exception):
    """A handshake is not taken.

    Attributes:
        refusal: with what it is answered.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class Entrance:
    """Opens a session for each proper handshake.

    Args:
        turn: where sessions queue for what is to be done for them.
    """

    def __init__(self, registry: Registry, turn: Turn, gate: Gate) -> None:
        self.registry = registry
        self.gate = gate
        self._turn = turn

    def admit(self, request: HTTPServerRequest) -> Principal | None:
        """Give the principal that the Authorization header names, None where it names none.

        Raises:
            HandshakeRefused: the request is no handshake, or no session can be opened for it.
        """
        refused = refusal(request)
        if refused is None:
            try:
                principal = self._header_principal(request)
                refused = unavailable(request, self.registry, principal)
            except AuthenticationError as error:
                refused = 401, codes.BAD_TOKEN, str(error)
        if refused is not None:
            raise HandshakeRefused(refused)
        return principal

    def open(
        self,
        request: HTTPServerRequest,
        sock: socket.socket,
        early: bytes,
        *,
        principal: Principal | None,
        batched: bool,
    ) -> None:
        """Begin the session of a handshake that was answered.

        Args:
            sock: the session's from now on.
            early: what came after the handshake already.
            principal: what `admit` gave.
            batched: whether several ticks may travel in one message.
        """
        failure = ""
        if principal is None:
            try:
                principal = self._browser_principal(request)
            except AuthenticationError as error:
                failure = str(error)
        kind = TlsTransport if isinstance(sock, ssl.SSLSocket) else SocketTransport
        registry = self.registry
        transport = kind(
            sock,
            asyncio.get_running_loop(),
            self._turn,
            registry.limits.message_bytes,
            registry.hub.metrics,
        )
        peer = address_of(request, registry)
        session = registry.open(transport, batched=batched, peer=peer, principal=principal)
        transport.start(session, early)
        if failure:
            session.close(CloseCode.UNAUTHENTICATED, failure)

    def _header_principal(self, request: HTTPServerRequest) -> Principal | None:
        """Give the principal of the Authorization header, if it is there and asked for."""
        authority = self.registry.authority
        token = None if authority.mode == "none" else header_token(request)
        return None if token is None else authority.identify(token)

    def _browser_principal(self, request: HTTPServerRequest) -> Principal | None:
        """Likewise of where a page puts a token; pages see close codes, but no HTTP status."""
        authority = self.registry.authority
        if authority.mode == "none":
            return None
        token = browser_token(request, in_url=self.gate.token_in_url)
        return None if token is None else authority.identify(token)
