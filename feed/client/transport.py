"""One WebSocket connection of the client, on asyncio alone: the only module here with sockets.

Reading stops when nobody takes the messages, so that a slow program pushes back on TCP and the
server's delivery contract applies to it. At most two socket reads (256 KiB) and one unfinished
message are held. HTTP_PROXY is not obeyed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
from typing import Final, Protocol

from feed.client.frames import client_close, client_frame
from feed.client.handshake import (
    HEAD_LIMIT_BYTES,
    Address,
    check_answer,
    failed,
    is_http,
    new_key,
    request,
)
from feed.client.inbox import Inbox
from feed.codes import CloseCode
from feed.errors import ConnectionFailed
from feed.protocol.frames import Opcode

CLOSE_TIMEOUT_S: Final = 1.0
_BACKLOG_BYTES: Final = 64 * 1024
_ABNORMAL: Final = 1006
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")


class Disconnected(Exception):
    """The connection has ended; `code` is 1006 when it ended without a close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Transport(Protocol):
    """What a connection asks of its transport."""

    async def receive(self, timeout_s: float | None) -> list[str | bytes]:
        """Give every message that has come, at least one; being cancelled loses none.

        Raises:
            Disconnected: after the last message before the end.
            TimeoutError: nothing came within `timeout_s` of this call.
        """

    def send(self, message: bytes) -> None:
        """Send a small text message; after the end it is dropped."""

    def abort(self) -> None:
        """Drop the connection at once."""

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Close, give the server a moment for its own close, then drop the socket."""


class Socket(asyncio.BufferedProtocol):
    """The transport over TCP or TLS."""

    _tcp: asyncio.Transport

    def __init__(self, address: Address) -> None:
        """`opened` is done when the handshake is, or has its ConnectionFailed or OSError."""
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._address = address
        self._key = new_key()
        self._head = bytearray(HEAD_LIMIT_BYTES)
        self._head_end = 0
        self._inbox: Inbox | None = None
        self._ended: Disconnected | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = transport  # type: ignore[assignment]
        self._tcp.write(request(self._address, self._key))

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._inbox is None:
            return memoryview(self._head)[self._head_end :]
        return self._inbox.room()

    def buffer_updated(self, nbytes: int) -> None:
        if self._inbox is None:
            self._read_head(nbytes)
        elif self._ended is None:
            self._read_frames(self._inbox, nbytes)

    def abort(self) -> None:
        """Drop the socket at once."""
        self._tcp.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(_ABNORMAL, reason_of(exc) if isinstance(exc, OSError) else "connection lost")
        self._lost.set_result(None)
        self._open(exc or ConnectionResetError())

    def _read_head(self, count: int) -> None:
        self._head_end += count
        head, end, early = self._head[: self._head_end].partition(b"\r\n\r\n")
        if not end and is_http(head) and self._head_end < HEAD_LIMIT_BYTES:
            return
        try:
            check_answer(self._address, self._key, bytes(head))
        except ConnectionFailed as error:
            self._open(error)
            self._tcp.abort()
        else:
            self._open(None)
            self._inbox = Inbox(early)
            self._read_frames(self._inbox, len(early))

    def _open(self, error: Exception | None) -> None:
        if self.opened.done():
            return
        if error is None:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(error)

    def _read_frames(self, inbox: Inbox, count: int) -> None:
        behind = bool(inbox.messages)
        answers = inbox.add(count)
        if inbox.end is not None:
            self._end(inbox.end.code, inbox.end.reason)
            self._tcp.write(b"".join(answers))
            self._tcp.close()
        elif answers and self._tcp.get_write_buffer_size() < _BACKLOG_BYTES:
            self._tcp.write(b"".join(answers))
        if behind and not self._paused:
            self._paused = True
            self._tcp.pause_reading()
        if inbox.messages:
            self._wake()

    def _end(self, code: int, reason: str) -> None:
        if self._ended is None:
            self._ended = Disconnected(code, reason)
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self, timeout_s: float | None) -> list[str | bytes]:
        while self._inbox is None or not self._inbox.messages:
            if self._ended is not None:
                raise Disconnected(self._ended.code, self._ended.reason)
            self._resume()
            self._waiter = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(timeout_s):
                await self._waiter
        return self._inbox.take()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._tcp.resume_reading()

    def send(self, message: bytes) -> None:
        if self._ended is None:
            self._tcp.write(client_frame(Opcode.TEXT, message))

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        if self._ended is None:
            self._tcp.write(client_close(code, reason))
            self._end(code, reason)
            if self._inbox is not None:
                self._inbox.messages.clear()
            self._resume()
        try:
            await asyncio.wait((self._lost,), timeout=CLOSE_TIMEOUT_S)
        finally:
            self._tcp.abort()


async def dial(
    address: Address, *, tls: ssl.SSLContext | None = None, timeout_s: float = 10.0
) -> Socket:
    """Open a WebSocket; `tls` replaces the system's certificates for wss://.

    Raises:
        ConnectionFailed: it cannot be opened; a HandshakeRefused where HTTP gave a status.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _open(address, tls)
    except TimeoutError:
        raise failed(address, f"no answer within {timeout_s:g} s") from None
    except OSError as error:
        raise failed(address, reason_of(error)) from None


async def _open(address: Address, tls: ssl.SSLContext | None) -> Socket:
    context = (tls or ssl.create_default_context()) if address.secure else None
    _, link = await asyncio.get_running_loop().create_connection(
        lambda: Socket(address), address.host, address.port, ssl=context
    )
    try:
        await link.opened
    except BaseException:
        link.abort()
        raise
    return link


def reason_of(error: OSError) -> str:
    """Say in a few words why a connection was not made or did not last."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown reason').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return "no such host"
    found = _ERRNO.search(str(error))  # several addresses tried: asyncio only joins the texts
    number = error.errno or (int(found[1]) if found else 0)
    if number == errno.ECONNREFUSED:
        return "connection refused (is `feed serve` running?)"
    return os.strerror(number).lower() if number else "the connection was closed"
