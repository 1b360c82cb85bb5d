"""WebSocket framing (RFC 6455), the server's half: bytes in, messages out, nothing else.

After the handshake a session's bytes pass through here. Server frames are
unmasked, so one frame serves every session. A reader between two messages holds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from feed.codes import CloseCode


class Opcode(IntEnum):
    """What a frame holds (RFC 6455 section 5.2)."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


CONTROL_LIMIT_BYTES: Final = 125
REASON_LIMIT_BYTES: Final = 123
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_KNOWN: Final = frozenset(Opcode)


class Frame(NamedTuple):
    """One whole message, or one control frame, as a client sent it."""

    opcode: int
    payload: bytes


class FrameError(Exception):
    """The peer broke the framing rules; the connection must be closed with `close_code`."""

    def __init__(self, close_code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.close_code = close_code


def _header(opcode: int, size: int) -> bytes:
    first = _FIN | opcode
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


_TEXT_HEADERS: Final = [_header(Opcode.TEXT, size) for size in range(1024)]


def text_header(size: int) -> bytes:
    """Give what goes before a text message of so many bytes; common sizes are ready-made."""
    return _TEXT_HEADERS[size] if size < 1024 else _header(Opcode.TEXT, size)


def text_frame(payload: bytes) -> bytes:
    """Frame a text message; this runs for every tick, so it calls nothing for the usual sizes."""
    size = len(payload)
    return (_TEXT_HEADERS[size] if size < 1024 else _header(Opcode.TEXT, size)) + payload


def control_frame(opcode: Opcode, payload: bytes = b"") -> bytes:
    """Frame a ping, pong or close of at most 125 bytes."""
    return _header(opcode, len(payload)) + payload


def close_frame(code: int | None, reason: str = "") -> bytes:
    """Frame a close; the reason is cut to the 123 bytes that fit, between characters."""
    if code is None:
        return control_frame(Opcode.CLOSE)
    text = reason.encode()[:REASON_LIMIT_BYTES].decode(errors="ignore")
    return control_frame(Opcode.CLOSE, code.to_bytes(2, "big") + text.encode())


class FrameReader:
    """Reads a client's frames from bytes in any split, and joins fragments into messages.

    Args:
        limit_bytes: the largest message; a larger one is refused as soon as its header shows it.
    """

    __slots__ = ("_buffer", "_fragments", "_held_bytes", "_kind", "limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._buffer = b""
        self._fragments: list[bytes] | None = None
        self._held_bytes = 0
        self._kind = 0

    @property
    def idle(self) -> bool:
        """Whether it holds nothing, so that a new reader could take its place."""
        return not self._buffer and self._fragments is None

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes from the socket and give, one by one, what is now complete; exhaust it.

        Nothing is read beyond a close.

        Raises:
            FrameError: after what came before; the rest of the connection is not to be read.
        """
        buffer = self._buffer + data if self._buffer else data
        place = 0
        while (found := self._next(buffer, place)) is not None:
            first, payload, place = found
            frame = self._accept(first, payload)
            if frame is not None:
                yield frame
                if frame.opcode == Opcode.CLOSE:
                    break
        self._buffer = buffer[place:]

    def _next(self, buffer: bytes, place: int) -> tuple[int, bytes, int] | None:
        if len(buffer) - place < 2:
            return None
        first, second = buffer[place], buffer[place + 1]
        self._check_header(first, second)
        size, start = second & 0x7F, place + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < start + width:
                return None
            size = int.from_bytes(buffer[start : start + width], "big")
            start += width
        self._check_size(first, size)
        end = start + 4 + size
        if len(buffer) < end:
            return None
        return first, unmask(buffer[start : start + 4], buffer[start + 4 : end]), end

    def _check_header(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & _RESERVED:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "reserved bits must be 0")
        if opcode not in _KNOWN:
            raise FrameError(CloseCode.PROTOCOL_ERROR, f"opcode {opcode} is not defined")
        if not second & _MASKED:
            raise FrameError(CloseCode.PROTOCOL_ERROR, "client frames must be masked")
        if opcode >= Opcode.CLOSE and (not first & _FIN or second & 0x7F > CONTROL_LIMIT_BYTES):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "control frames must be short and whole")

    def _check_size(self, first: int, size: int) -> None:
        held = 0 if first & 0x0F >= Opcode.CLOSE else self._held_bytes
        if held + size > self.limit_bytes:
            text = f"message must be at most {self.limit_bytes} bytes, was {held + size} or more"
            raise FrameError(CloseCode.MESSAGE_TOO_BIG, text)

    def _accept(self, first: int, payload: bytes) -> Frame | None:
        opcode = first & 0x0F
        if opcode >= Opcode.CLOSE:
            return Frame(opcode, payload)
        if (opcode == Opcode.CONTINUATION) != (self._fragments is not None):
            raise FrameError(CloseCode.PROTOCOL_ERROR, "fragments must follow one another")
        if first & _FIN and self._fragments is None:
            return _checked(opcode, payload)
        return self._gather(first, opcode, payload)

    def _gather(self, first: int, opcode: int, payload: bytes) -> Frame | None:
        if self._fragments is None:
            self._fragments, self._kind = [], opcode
        if payload:
            self._fragments.append(payload)
            self._held_bytes += len(payload)
        if not first & _FIN:
            return None
        whole = b"".join(self._fragments)
        self._fragments, self._held_bytes = None, 0
        return _checked(self._kind, whole)


def _checked(opcode: int, payload: bytes) -> Frame:
    if opcode == Opcode.TEXT:
        try:
            payload.decode()
        except UnicodeDecodeError:
            text = "a text message must be UTF-8"
            raise FrameError(CloseCode.INVALID_PAYLOAD, text) from None
    return Frame(opcode, payload)


def unmask(mask: bytes, payload: bytes) -> bytes:
    """XOR a payload with its 4-byte mask, as one big integer: C speed without an extension."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def read_close(payload: bytes) -> tuple[int, str]:
    """Give the code and reason of a close frame; no payload is code 1005.

    Raises:
        FrameError: the code may not be sent (RFC 6455 section 7.4), or the reason is not UTF-8.
    """
    if not payload:
        return 1005, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not _may_be_sent(code):
        raise FrameError(CloseCode.PROTOCOL_ERROR, "close code is not allowed")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(CloseCode.INVALID_PAYLOAD, "a close reason must be UTF-8") from None


def _may_be_sent(code: int) -> bool:
    return code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1014 or 3000 <= code <= 4999
