"""One WebSocket on a blocking socket, which under Locust is gevent's: the feed's own frame reader.

A socket of its own because Locust has none, and the client that everybody takes, websocket-client,
needs twice the CPU for each message (docs/LOAD.md): the load generator would be measured.
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import time
from contextlib import suppress
from functools import cache
from typing import Final

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
from feed.client.inbox import End, Inbox
from feed.client.transport import Disconnected, reason_of
from feed.codes import CloseCode
from feed.protocol.frames import Opcode
from locustfiles.polls import POLLS

READ_BYTES: Final = 16 * 1024
"""What one user's buffer takes: 2,000 of them take 32 MB."""

OPEN_LIMIT_S: Final = 10.0
ABNORMAL: Final = 1006
"""What a connection ends with that ends without a close."""

_SO_TIMESTAMPNS: Final = 35
"""Of <asm-generic/socket.h>; Python has no name for it."""

_STAMP: Final = struct.Struct("qq")
_STAMP_SPACE: Final = 64


class Wire:
    """A connection whose handshake is done.

    Attributes:
        arrived_ns: when the newest bytes came to this machine, as the kernel saw it where it
            tells (on Linux, without TLS), else when they were read: how late we are at reading
            is no part of a latency.
        read_ns: when they were read.
        since_ns: when we had last looked: all that was read came after that.
        aborted: whether it was cut by us.
        full: whether the last read filled the buffer, so that there may be more.
    """

    __slots__ = (
        "_count",
        "_inbox",
        "_socket",
        "_stamped",
        "aborted",
        "arrived_ns",
        "full",
        "read_ns",
        "since_ns",
    )

    def __init__(self, sock: socket.socket, early: bytes, read_bytes: int = READ_BYTES) -> None:
        self._socket = sock
        self._inbox = Inbox(early, read_bytes=read_bytes)
        self.aborted = False
        self._count = len(early)
        self.read_ns = self.arrived_ns = self.since_ns = time.time_ns()
        self.full = False
        self._stamped = _stamp(sock)
        self._answer(len(early))

    def receive(self) -> list[str | bytes]:
        """Wait for bytes and give the messages that are whole by then, perhaps none.

        Raises:
            Disconnected: after the last message before the end.
            FrameError: after the last message before a frame that is none.
        """
        inbox = self._inbox
        if not inbox.messages and inbox.end is None:
            self._read()
        if not inbox.messages and inbox.end is not None:
            raise inbox.end.error or Disconnected(inbox.end.code, inbox.end.reason)
        return inbox.take()

    def taken(self) -> int:
        """Give how many bytes were read since the last call, without the handshake's."""
        count, self._count = self._count, 0
        return count

    def _read(self) -> None:
        room = self._inbox.room()
        stamps: list[tuple[int, int, bytes]] = []
        try:
            if self._stamped:
                count, stamps, _, _ = self._socket.recvmsg_into([room], _STAMP_SPACE)
            else:
                count = self._socket.recv_into(room)
        except OSError as error:
            self._inbox.end = End(ABNORMAL, error.strerror or str(error))
            return
        if not self.full:  # then nothing was left over
            self.since_ns = max(self.read_ns, POLLS.before_ns)
        self.read_ns = self.arrived_ns = time.time_ns()
        if stamps:
            seconds, nanoseconds = _STAMP.unpack(stamps[0][2])
            self.arrived_ns = seconds * 1_000_000_000 + nanoseconds
        if count == 0:
            self._inbox.end = End(ABNORMAL, "it ended without a close")
        self._count += count
        self.full = count == len(room)
        self._answer(count)

    def _answer(self, count: int) -> None:
        for frame in self._inbox.add(count):
            self._write(frame)

    def send(self, message: bytes) -> None:
        """Send a text message; a connection that is gone says so when it is read."""
        self._write(client_frame(Opcode.TEXT, message))

    def close(self) -> None:
        """Say goodbye; what was sent before the answer is still to be received."""
        self._write(client_close(CloseCode.NORMAL))

    def abort(self) -> None:
        """Cut the connection without a word; whoever waits for bytes is told."""
        self.aborted = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            self._socket.sendall(data)


def dial(
    address: Address, *, receive_buffer_bytes: int | None = None, read_bytes: int = READ_BYTES
) -> Wire:
    """Open a connection.

    Args:
        receive_buffer_bytes: a small one lets the server feel at once that nobody reads.

    Raises:
        ConnectionFailed: it cannot be opened.
    """
    try:
        sock = socket.create_connection((address.host, address.port), OPEN_LIMIT_S)
        try:
            if receive_buffer_bytes is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.secure:
                sock = _trusted().wrap_socket(sock, server_hostname=address.host)
            early = _shake_hands(sock, address)
        except BaseException:
            sock.close()
            raise
    except TimeoutError:
        raise failed(address, f"no answer within {OPEN_LIMIT_S:g} s") from None
    except OSError as error:
        raise failed(address, reason_of(error)) from None
    sock.settimeout(None)
    return Wire(sock, early, read_bytes)


def _stamp(sock: socket.socket) -> bool:
    """Ask the kernel to say when bytes came; tells whether it will."""
    if sys.platform != "linux" or isinstance(sock, ssl.SSLSocket):
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


@cache
def _trusted() -> ssl.SSLContext:
    """Load the certificates once: it takes 20 ms, and SSL_CERT_FILE names others."""
    return ssl.create_default_context()


def _shake_hands(sock: socket.socket, address: Address) -> bytes:
    """Do the handshake, and give what came after it."""
    key = new_key()
    sock.sendall(request(address, key))
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        head += data
        if not data or not is_http(head) or len(head) > HEAD_LIMIT_BYTES:
            raise failed(address, "not a WebSocket server")
    answer, _, early = head.partition(b"\r\n\r\n")
    check_answer(address, key, answer)
    return early
