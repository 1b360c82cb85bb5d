"""The socket of a session under TLS: as direct as without, and as free of waiting."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import Any

from feed.hub.pending import Target
from feed.server.tls import RECORD_BYTES
from feed.server.transport import LINGER_S, SocketTransport


class TlsTransport(SocketTransport):
    """Moves the bytes of one session through OpenSSL.

    A record that the socket did not take whole is encrypted already, and has to be offered again,
    byte for byte, before anything else. So such a record, of 16 KiB at most, counts as written, and
    is kept here until it is.
    """

    __slots__ = ("_finishing", "_stuck")

    _socket: ssl.SSLSocket

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._stuck = b""
        self._finishing = False

    @property
    def target(self) -> Target:
        """A cohort must not send past OpenSSL."""
        return self.write

    def write(self, buffer: bytes | memoryview) -> int:
        """Send without blocking and give the number of bytes taken; a dead socket takes all."""
        taken = self._encrypt(memoryview(buffer))
        self._metrics.bytes_out += taken
        return taken

    def _encrypt(self, view: memoryview) -> int:
        sent = 0
        try:
            if self._stuck and not self._unstick():
                return 0
            while sent < len(view):
                record = view[sent : sent + RECORD_BYTES]
                try:
                    sent += self._socket.send(record)
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    self._stuck = bytes(record)
                    if not self._lost:
                        self._loop.add_writer(self._fd, self._on_writable)
                    return sent + len(record)
        except OSError:
            self._lose()
            return len(view)
        return sent

    def want_write(self, wanted: bool) -> None:
        """Ask to be told when the socket takes bytes again."""
        if wanted or not self._stuck:
            super().want_write(wanted)
        else:  # the loop goes on asking, for the record that is stuck
            self._wants_write = False

    def finish(self) -> None:
        """Close in good order: what is stuck goes first, then the end of TLS, then FIN."""
        if self._stuck:
            self._finishing = True
            self._loop.call_later(LINGER_S, self.abort)
            return
        if self._fd >= 0 and not self._finished:
            with suppress(OSError, ValueError):  # it is sent at once; the answer is not waited for
                self._socket.unwrap()
        super().finish()

    def _unstick(self) -> bool:
        try:
            self._socket.send(self._stuck)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return False
        self._stuck = b""
        return True

    def _on_writable(self) -> None:
        try:
            if self._stuck and not self._unstick():
                return
        except OSError:
            self._lose()
            return
        if self._wants_write:
            super()._on_writable()
            return
        self._loop.remove_writer(self._fd)
        if self._finishing:
            self.finish()

    def _receive(self) -> bytes | None:
        """Read one record; nothing of it stays in OpenSSL, where no selector would see it."""
        try:
            return super()._receive()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
