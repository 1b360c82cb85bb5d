"""WebSocket framing (RFC 6455), the client's half; what both halves share is in feed.protocol.

An own reader because nothing else is as fast here: all that one read of the socket brought is cut
into messages in one call, with no coroutine, future or task for each (docs/CLIENT.md has the
figures).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final, Protocol

from feed.codes import CloseCode
from feed.protocol.frames import CONTROL_LIMIT_BYTES, FrameError, Opcode, unmask

READ_BYTES: Final = 128 * 1024

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_TEXT: Final = int(Opcode.TEXT)
_WHOLE_TEXT: Final = _FIN | _TEXT
_KNOWN: Final = frozenset(Opcode)

Frame = tuple[int, str | bytes]
"""The opcode and payload of a whole message or a control frame; text is str, the rest bytes."""


class Frames(Protocol):
    """Where frames go, such as a list."""

    def append(self, frame: Frame, /) -> None: ...


class FrameReader:
    """Cuts what a server sends into whole messages and control frames.

    The socket writes into `room()`, and `take` then gives what has become complete. Memory stays
    below one read or the largest message.
    """

    def __init__(self, *, limit_bytes: int, read_bytes: int = READ_BYTES) -> None:
        self._limit = limit_bytes
        self._read_bytes = read_bytes
        self._buffer = bytearray(read_bytes)
        self._end = 0
        self._fragments: list[bytes] = []
        self._fragments_kind = 0
        self._held_bytes = 0

    def room(self) -> memoryview:
        """Give the free part of the buffer, to be filled from its start; it is never empty."""
        return memoryview(self._buffer)[self._end :]

    def take(self, count: int, into: Frames) -> None:
        """Account for `count` bytes written into `room()` and append what is complete, in order.

        Raises:
            FrameError: the frames before the broken one have been appended.
        """
        self._end += count
        view = memoryview(self._buffer)
        start, missing = self._take_whole_texts(view, into), 0
        while (head := self._head(start)) is not None:
            first, body, stop = head
            if stop > self._end:
                missing = stop - start
                break
            frame = self._frame(first, view[body:stop])
            if frame is not None:
                into.append(frame)
            start = stop
        self._keep(start, missing)

    def _take_whole_texts(self, view: memoryview, into: Frames) -> int:
        """Take the frames that almost all are, short whole texts; stops at any that is not.

        It does what the rest of this class does, in half the time.
        """
        buffer, end, limit = self._buffer, self._end, min(self._limit, 65_535)
        start = 0
        if self._fragments_kind:
            return start
        with suppress(UnicodeDecodeError):  # left for the careful way, which says what is wrong
            while start + 4 <= end and buffer[start] == _WHOLE_TEXT:
                length, body = buffer[start + 1], start + 2
                if length == 126:
                    length, body = buffer[body] << 8 | buffer[body + 1], start + 4
                elif length > 126:
                    break
                stop = body + length
                if stop > end or length > limit:
                    break
                into.append((_TEXT, str(view[body:stop], "utf-8")))
                start = stop
        return start

    def _head(self, start: int) -> tuple[int, int, int] | None:
        """Give a frame's first byte and where its body starts and stops; None when cut short."""
        body = start + 2
        if body > self._end:
            return None
        first, length = self._buffer[start], self._buffer[start + 1]
        if first != _WHOLE_TEXT or length > 127:
            _check_head(first, length)
        if length >= 126:
            body += 2 if length == 126 else 8
            if body > self._end:
                return None
            length = int.from_bytes(self._buffer[start + 2 : body], "big")
        if length + self._held_bytes > self._limit:
            text = f"message must be at most {self._limit} bytes"
            raise FrameError(CloseCode.MESSAGE_TOO_BIG, text)
        return first, body, body + length

    def _keep(self, start: int, frame_bytes: int) -> None:
        """Move what is not cut yet to the front, and make room for its frame or for one read."""
        rest = self._buffer[start : self._end]
        size = max(self._read_bytes, frame_bytes)
        if len(self._buffer) != size:
            self._buffer = bytearray(size)
        self._end = len(rest)
        self._buffer[: self._end] = rest

    def _frame(self, first: int, body: memoryview) -> Frame | None:
        if first == _WHOLE_TEXT and not self._fragments_kind:
            return Opcode.TEXT, _text(body)
        if first & 0x0F >= Opcode.CLOSE:
            return first & 0x0F, bytes(body)
        return self._gather(first & 0x0F, bytes(body), final=first & _FIN != 0)

    def _gather(self, opcode: int, body: bytes, *, final: bool) -> Frame | None:
        if (opcode == Opcode.CONTINUATION) != bool(self._fragments_kind):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "fragments must follow one another")
        self._fragments_kind = kind = opcode or self._fragments_kind
        if body:
            self._fragments.append(body)
            self._held_bytes += len(body)
        if not final:
            return None
        whole = b"".join(self._fragments)
        self._fragments, self._fragments_kind, self._held_bytes = [], 0, 0
        return kind, _text(whole) if kind == Opcode.TEXT else whole


def _check_head(first: int, second: int) -> None:
    opcode = first & 0x0F
    if first & _RESERVED:
        raise FrameError(CloseCode.PROTOCOL_ERROR, "reserved bits must be 0")
    if opcode not in _KNOWN:
        raise FrameError(CloseCode.PROTOCOL_ERROR, f"opcode {opcode} is not defined")
    if second & _MASKED:
        raise FrameError(CloseCode.PROTOCOL_ERROR, "server frames must not be masked")
    if opcode >= Opcode.CLOSE and (not first & _FIN or second > CONTROL_LIMIT_BYTES):
        raise FrameError(CloseCode.PROTOCOL_ERROR, "control frames must be short and whole")


def _text(body: bytes | memoryview) -> str:
    try:
        return str(body, "utf-8")
    except UnicodeDecodeError:
        raise FrameError(CloseCode.INVALID_PAYLOAD, "a text message must be UTF-8") from None


def client_frame(opcode: int, body: bytes = b"") -> bytes:
    """Make one whole frame, masked as RFC 6455 section 5.3 asks of a client."""
    size = len(body)
    if size < 126:
        head = bytes((_FIN | opcode, _MASKED | size))
    elif size < 65_536:
        head = bytes((_FIN | opcode, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FIN | opcode, _MASKED | 127)) + size.to_bytes(8, "big")
    key = os.urandom(4)
    return head + key + unmask(key, body)


def client_close(code: int, reason: str = "") -> bytes:
    """Make a close frame; no code (1005) is an empty one, and a long reason is cut to fit."""
    text = reason.encode()[: CONTROL_LIMIT_BYTES - 2].decode(errors="ignore").encode()
    return client_frame(Opcode.CLOSE, b"" if code == 1005 else code.to_bytes(2, "big") + text)
