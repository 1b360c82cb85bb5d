"""One session's socket: a direct non-blocking send out, frames to commands in.

After the handshake the request, and what read it, are let go, and only this small object stays on
the loop's own reader and writer callbacks. A ready frame costs one `send` and nothing else, and
because nothing is buffered here, a slow peer shows itself at once as a short write.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from typing import Final

from feed.codes import CloseCode
from feed.hub.pending import Target
from feed.metrics import Metrics
from feed.protocol.frames import (
    Frame,
    FrameError,
    FrameReader,
    Opcode,
    control_frame,
    read_close,
)
from feed.server.turn import Turn
from feed.sessions.session import Session

log = logging.getLogger(__name__)

READ_BYTES: Final = 16_384
"""Small, so that a flood of tiny commands from one client takes a few milliseconds of a turn."""
LINGER_S: Final = 2.0
"""How long a peer may take to close its side, before the socket is closed under it."""


class SocketTransport:
    """Moves the bytes of one session.

    Args:
        sock: connected, non-blocking, handshake done; owned by the transport from now on.
        turn: where sessions queue for what is to be done for them.
        message_limit_bytes: the largest command.
        metrics: where bytes are counted.
    """

    __slots__ = (
        "_asked",
        "_fd",
        "_finished",
        "_frames",
        "_loop",
        "_lost",
        "_message_limit_bytes",
        "_metrics",
        "_reader",
        "_reading",
        "_session",
        "_socket",
        "_turn",
        "_wants_write",
        "_writable",
    )

    def __init__(
        self,
        sock: socket.socket,
        loop: asyncio.AbstractEventLoop,
        turn: Turn,
        message_limit_bytes: int,
        metrics: Metrics,
    ) -> None:
        self._socket = sock
        self._fd = sock.fileno()
        self._loop = loop
        self._turn = turn
        self._message_limit_bytes = message_limit_bytes
        self._metrics = metrics
        self._reader: FrameReader | None = None
        self._frames: Iterator[Frame] | None = None
        self._session: Session | None = None
        self._reading = False
        self._wants_write = False
        self._writable = False
        self._lost = False
        self._asked = False
        self._finished = False

    def start(self, session: Session, early: bytes = b"") -> None:
        """Begin to read for a session; `early` are bytes that came with the handshake."""
        self._session = session
        self._read_next()
        if early:
            self._take(early)

    @property
    def target(self) -> Target:
        """The socket's descriptor: a cohort sends to it directly."""
        return self._fd

    def write(self, buffer: bytes | memoryview) -> int:
        """Send without blocking and give the number of bytes taken; a dead socket takes all."""
        try:
            sent = self._socket.send(buffer)
            self._metrics.bytes_out += sent
            return sent
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._lose()
            return len(buffer)

    def want_turn(self) -> None:
        """Have the session served when it is its turn."""
        if not self._asked:
            self._asked = True
            self._turn.add(self._step)

    def want_write(self, wanted: bool) -> None:
        """Ask to be told when the socket takes bytes again."""
        if wanted == self._wants_write or self._fd < 0 or self._lost:
            return
        self._wants_write = wanted
        if wanted:
            self._loop.add_writer(self._fd, self._on_writable)
        else:
            self._loop.remove_writer(self._fd)

    def finish(self) -> None:
        """Close in good order: send FIN, read until the peer's own, at most for `LINGER_S`."""
        if self._finished or self._fd < 0:
            return
        self._finished = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()
            return
        self._loop.call_later(LINGER_S, self.abort)

    def abort(self) -> None:
        """Let the socket go and tell the session, once."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._fd = -1
        self._socket.close()
        session, self._session = self._session, None
        if session is not None:
            session.lost()

    def _lose(self) -> None:
        """Have the session end when it is its turn, as many may lose their sockets at once."""
        if self._fd >= 0 and not self._lost:
            self._lost = True
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self.want_turn()

    def _read_next(self) -> None:
        """Be told when there is something to read, as nothing is left of what was."""
        self._frames = None
        if not (self._reading or self._lost or self._fd < 0):
            self._reading = True
            self._loop.add_reader(self._fd, self._on_readable)

    def _on_writable(self) -> None:
        self._writable = True
        self.want_turn()

    def _on_readable(self) -> None:
        if self._frames is not None:  # what was read before comes first
            self._reading = False
            self._loop.remove_reader(self._fd)
            return
        try:
            data = self._receive()
        except OSError:
            data = b""
        if data is None:
            return
        if not data:
            self._lose()
        elif self._session is not None and not self._finished:
            self._session.quiet_beats = 0
            self._take(data)

    def _receive(self) -> bytes | None:
        """Read what is there, or None where nothing is."""
        try:
            return self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return None

    def _take(self, data: bytes) -> None:
        if self._reader is None:
            self._reader = FrameReader(self._message_limit_bytes)
        self._frames = self._reader.feed(data)
        self.want_turn()

    def _step(self) -> bool:
        """Do one thing for the session, and tell whether there is more to do."""
        if self._lost:
            self.abort()
        session = self._session
        if session is not None:
            self._serve(session)
        more = self._session is not None and (
            self._lost or self._writable or self._session.busy or self._frames is not None
        )
        self._asked = more
        return more

    def _serve(self, session: Session) -> None:
        """Write what is owed, or go on with a command, or read the next one."""
        try:
            if self._writable:
                self._writable = False
                session.delivery.drain()
            elif session.busy:
                session.go_on()
            elif self._frames is not None:
                self._read_on(session, self._frames)
        except FrameError as error:
            self._read_next()
            session.fail(error.close_code, str(error))
        except Exception:
            log.exception("session %s failed", session.name)
            self._read_next()
            self._give_up(session)

    def _read_on(self, session: Session, frames: Iterator[Frame]) -> None:
        for frame in frames:
            self._dispatch(session, frame)
            return
        self._read_next()
        if self._reader is not None and self._reader.idle:
            self._reader = None

    def _give_up(self, session: Session) -> None:
        """End a session in which something of ours went wrong; a broken one is let go at once."""
        try:
            ended = session.ended
            session.fail(CloseCode.INTERNAL_ERROR, f"internal error {session.name}")
        except Exception:
            log.exception("session %s could not be closed", session.name)
            ended = True
        if ended:
            self.abort()

    def _dispatch(self, session: Session, frame: Frame) -> None:
        opcode, payload = frame
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            session.receive(payload)
        elif opcode == Opcode.PING:
            session.delivery.send(control_frame(Opcode.PONG, payload))
        elif opcode == Opcode.CLOSE:
            code, _ = read_close(payload)
            session.answer_close(code)
