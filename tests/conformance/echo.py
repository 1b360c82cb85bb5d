"""The product's own handshake, transports and frame reader, with an echo in place of the feed."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from feed.protocol.frames import Frame, Opcode, text_frame
from feed.server import arrivals, entrance
from feed.server.app import bind, listen
from feed.server.encrypted import TlsTransport
from feed.server.gate import Gate
from feed.server.tls import Certificate
from feed.server.transport import SocketTransport
from feed.sessions.delivery import Transport
from feed.sessions.entitlements import ANONYMOUS
from feed.sessions.limits import Limits
from feed.sessions.session import Session
from tests.fakes import World

MESSAGE_BYTES = 32 << 20
"""The largest message of the suite has 16 MiB."""


class EchoTransport(SocketTransport):
    """Sends each message back as the kind of message it came as."""

    __slots__ = ()

    def _dispatch(self, session: Session, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            echo = bytearray(text_frame(frame.payload))
            echo[0] = 0x80 | frame.opcode
            session.delivery.send(bytes(echo))
        else:
            super()._dispatch(session, frame)


class EncryptedEchoTransport(TlsTransport, EchoTransport):
    """The same under TLS."""

    __slots__ = ()


@asynccontextmanager
async def echoing(
    monkeypatch: pytest.MonkeyPatch, certificate: Certificate | None = None
) -> AsyncIterator[int]:
    """Serve the echo on a free port; gives the port."""
    limits = Limits(outbox_bytes=4 * MESSAGE_BYTES, message_bytes=MESSAGE_BYTES)
    registry = World(limits=limits).registry

    def open_silent(transport: Transport, *, batched: bool, peer: str, **_: object) -> Session:
        """Open a session that says no word of its own."""
        name = secrets.token_hex(4)
        return Session(name, transport, registry, ANONYMOUS, batched=batched)

    monkeypatch.setattr(entrance, "SocketTransport", EchoTransport)
    monkeypatch.setattr(entrance, "TlsTransport", EncryptedEchoTransport)
    monkeypatch.setattr(arrivals, "MORE", 0)  # nothing follows the answer
    monkeypatch.setattr(registry, "open", open_silent)
    sockets = bind("127.0.0.1", 0, 65_536)
    server = listen(registry, sockets, gate=Gate(certificate=certificate))
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()
