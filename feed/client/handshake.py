"""The opening handshake of a client (RFC 6455 section 4.1), and what is said when it fails."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import feed
from feed.errors import ConnectionFailed, SettingError

HEAD_LIMIT_BYTES: Final = 16 * 1024

_ACCEPT_SALT: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STATUS_LINE: Final = re.compile(r"HTTP/1\.\d (\d{3})(?: ([ -~]{0,60}))?")


class HandshakeRefused(ConnectionFailed):
    """The server answered in HTTP, but opened no WebSocket; `status` is its answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect: a ws:// or wss:// URL, taken apart.

    Attributes:
        shown: the URL for messages, without its query (where a token may be).
        target: path and query of the request, with `batch` in it.
    """

    shown: str
    host: str
    port: int
    secure: bool
    target: str
    host_header: str


def read_url(url: str, *, batch: bool = True) -> Address:
    """Take a URL apart, and ask for batches or not.

    Raises:
        SettingError: it is not a ws:// or wss:// URL with a host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingError(
            "url", f"must be like ws://127.0.0.1:8080, was {url!r}: {error}"
        ) from None
    if parts.scheme not in ("ws", "wss") or not host or not url.isascii():
        raise SettingError("url", f"must be like ws://127.0.0.1:8080, was {url!r}")
    secure = parts.scheme == "wss"
    query = [pair for pair in parse_qsl(parts.query) if pair[0] != "batch"]
    return Address(
        shown=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}",
        host=host,
        port=port or (443 if secure else 80),
        secure=secure,
        target=f"{parts.path or '/'}?{urlencode([*query, ('batch', int(batch))])}",
        host_header=parts.netloc.rpartition("@")[2],
    )


def new_key() -> str:
    """Make a random Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key: str) -> str:
    """Give the Sec-WebSocket-Accept that answers `key` (RFC 6455 4.2.2)."""
    return base64.b64encode(
        hashlib.sha1(key.encode() + _ACCEPT_SALT, usedforsecurity=False).digest()
    ).decode()


def request(address: Address, key: str) -> bytes:
    """Write the HTTP request that asks for a WebSocket. No extension is offered."""
    return (
        f"GET {address.target} HTTP/1.1\r\n"
        f"Host: {address.host_header}\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n"
        f"User-Agent: feed/{feed.__version__}\r\n\r\n"
    ).encode()


def is_http(head: bytes | bytearray) -> bool:
    """Tell whether the first bytes of an answer can still become an HTTP status line."""
    return head[:5] == b"HTTP/"[: len(head)]


def check_answer(address: Address, key: str, head: bytes) -> None:
    """Check the answer to `request`, up to its empty line.

    Raises:
        HandshakeRefused: the server answered in HTTP, but with another status than 101.
        ConnectionFailed: the answer is not a WebSocket handshake.
    """
    status_line, *lines = head.decode("latin-1").split("\r\n")
    status = _STATUS_LINE.match(status_line)
    if status is None:
        raise failed(address, "not a WebSocket server")
    if status[1] != "101":
        text = f"the server answered HTTP {status[1]} {status[2] or ''}".rstrip()
        raise HandshakeRefused(_cannot(address, text), int(status[1]))
    fields = dict(_field(line) for line in lines if ":" in line)
    if fields.get("sec-websocket-accept") != accept_of(key) or not _upgrades(fields):
        raise failed(address, "not a WebSocket server (its handshake is wrong)")
    if "sec-websocket-extensions" in fields or "sec-websocket-protocol" in fields:
        raise failed(address, "the server chose an extension or subprotocol that was not offered")


def _upgrades(fields: dict[str, str]) -> bool:
    tokens = [token.strip() for token in fields.get("connection", "").lower().split(",")]
    return "upgrade" in tokens and fields.get("upgrade", "").lower() == "websocket"


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def failed(address: Address, reason: str) -> ConnectionFailed:
    """Make the error of a connection that could not be made."""
    return ConnectionFailed(_cannot(address, reason))


def _cannot(address: Address, reason: str) -> str:
    return f"cannot connect to {address.shown}: {reason}"
