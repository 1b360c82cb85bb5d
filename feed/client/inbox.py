"""What one connection brings: messages to be taken, frames to be answered, and an end. No I/O."""

from __future__ import annotations

from typing import Final, NamedTuple

from feed.client.frames import READ_BYTES, Frame, FrameReader, client_close, client_frame
from feed.protocol.frames import FrameError, Opcode, read_close

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""The largest message taken: batches stay below 256 KiB, but an ack grows with its set."""

_CLOSE: Final = int(Opcode.CLOSE)


class End(NamedTuple):
    """The close code and reason a connection ends with.

    Attributes:
        error: what was wrong with the last frame; None after a close.
    """

    code: int
    reason: str
    error: FrameError | None = None


class Inbox:
    """Sorts the frames of a server; after a close frame, or one that is none, nothing counts.

    Attributes:
        messages: those that came and were not taken yet.
        end: that of the connection, once it has come.
    """

    __slots__ = ("_reader", "end", "messages")

    def __init__(self, early: bytes | bytearray = b"", *, read_bytes: int = READ_BYTES) -> None:
        """`early` are bytes that came with the handshake's answer; then `add` their number."""
        self.messages: list[str | bytes] = []
        self.end: End | None = None
        self._reader = FrameReader(limit_bytes=MAX_MESSAGE_BYTES, read_bytes=read_bytes)
        self._reader.room()[: len(early)] = early

    def room(self) -> memoryview:
        """Give where to read the next bytes to; it is never empty."""
        return self._reader.room()

    def add(self, count: int) -> list[bytes]:
        """Account for bytes written into `room()`, and give the frames to answer them with."""
        arrived: list[Frame] = []
        answers: list[bytes] = []
        if self.end is not None:
            return answers
        try:
            try:
                self._reader.take(count, arrived)
            finally:
                self._sort(arrived, answers)
        except FrameError as error:
            self._finish(End(error.close_code, str(error), error), answers)
        return answers

    def take(self) -> list[str | bytes]:
        """Give the messages that have come."""
        messages, self.messages = self.messages, []
        return messages

    def _sort(self, arrived: list[Frame], answers: list[bytes]) -> None:
        for opcode, body in arrived:
            if opcode < _CLOSE:
                self.messages.append(body)
                continue
            assert isinstance(body, bytes)
            if opcode == Opcode.CLOSE:
                return self._finish(End(*read_close(body)), answers)
            if opcode == Opcode.PING:
                answers.append(client_frame(Opcode.PONG, body))

    def _finish(self, end: End, answers: list[bytes]) -> None:
        if self.end is None:
            self.end = end
            answers.append(client_close(end.code))
