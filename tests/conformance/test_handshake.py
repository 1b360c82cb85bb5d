"""What may come in place of a proper handshake: each has its answer, none is our mistake."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest
import tornado

from feed.server import arrivals
from tests.fakes import World
from tests.server.local import KEY, Peer, handshake, peer, serving

ROOT = Path(__file__).resolve().parents[2]
GOOD = (
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {KEY}",
)
PING = b'{"type":"ping","id":1}'
FRAME = bytes((0x81, 0x80 | len(PING))) + bytes(4) + PING


@pytest.fixture(params=["plain", "tornado"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is plain read at one look, and all of it by Tornado: the answers are the same."""
    if request.param == "tornado":
        monkeypatch.setattr(arrivals, "read_head", lambda _: None)


def lines(*headers: str, start: str = "GET /v1/stream HTTP/1.1") -> bytes:
    return "\r\n".join([start, *headers, "", ""]).encode("latin-1")


def without(name: str, *instead: str) -> bytes:
    """Give a proper handshake with other lines in place of one."""
    kept = [own for own in GOOD if not own.startswith(name)]
    assert len(kept) == len(GOOD) - 1
    return lines(*kept, *instead)


def also(*headers: str) -> bytes:
    return lines(*GOOD, *headers)


REFUSED = {
    "HTTP/1.0": (lines(*GOOD, start="GET /v1/stream HTTP/1.0"), 400),
    "HTTP/0.9": (lines(*GOOD, start="GET /v1/stream"), 400),
    "HTTP/2.0": (lines(*GOOD, start="GET /v1/stream HTTP/2.0"), 400),
    "POST": (lines(*GOOD, "Content-Length: 0", start="POST /v1/stream HTTP/1.1"), 405),
    "PUT to the page": (lines(*GOOD, "Content-Length: 0", start="PUT / HTTP/1.1"), 405),
    "an unknown method": (lines(*GOOD, start="BREW /v1/stream HTTP/1.1"), 405),
    "another path": (lines(*GOOD, start="GET /v2/stream HTTP/1.1"), 404),
    "an absurd path": (lines(*GOOD, start="GET /v1/stream?\xff%00%ff&batch HTTP/1.1"), 101),
    "a query that is no UTF-8": (lines(*GOOD, start="GET /?batch=%ff HTTP/1.1"), 400),
    "no host": (without("Host"), 400),
    "two hosts": (also("Host: evil.example"), 400),
    "an odd host": (without("Host", "Host: a b/c"), 400),
    "no upgrade": (without("Upgrade"), 426),
    "another upgrade": (without("Upgrade", "Upgrade: h2c"), 426),
    "two upgrades": (also("Upgrade: websocket"), 426),
    "no connection": (without("Connection"), 426),
    "another connection": (without("Connection", "Connection: close"), 426),
    "a null origin": (also("Origin: null"), 403),
    "a malformed origin": (also("Origin: http://[::1"), 403),
    "an origin that is none": (also("Origin: \xff::/ /%%%"), 403),
    "two origins": (also("Origin: http://localhost", "Origin: http://localhost"), 403),
    "a rebound name": (
        without("Host", "Host: evil.example", "Origin: http://evil.example"),
        403,
    ),
    "no version": (without("Sec-WebSocket-Version"), 426),
    "an old version": (without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426),
    "two versions": (also("Sec-WebSocket-Version: 8"), 426),
    "no number": (without("Sec-WebSocket-Version", "Sec-WebSocket-Version: x"), 426),
    "no key": (without("Sec-WebSocket-Key"), 400),
    "an empty key": (without("Sec-WebSocket-Key", "Sec-WebSocket-Key:"), 400),
    "a short key": (without("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAA"), 400),
    "a key that is not base64": (
        without("Sec-WebSocket-Key", "Sec-WebSocket-Key: " + 24 * "?"),
        400,
    ),
    "a key beyond ASCII": (without("Sec-WebSocket-Key", "Sec-WebSocket-Key: " + 24 * "\xe9"), 400),
    "two keys": (also(f"Sec-WebSocket-Key: {KEY}"), 400),
    "a header without a colon": (also("what is this"), 400),
    "a header without a name": (also(": nothing"), 400),
    "a control character": (also("X-Odd: a\x00b"), 400),
    "a body too large": (also("Content-Length: 70000"), 400),
    "two lengths": (also("Content-Length: 1", "Content-Length: 2"), 400),
    "a length that is none": (also("Content-Length: -1"), 400),
    "an unknown encoding": (also("Transfer-Encoding: odd"), 400),
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
}

TAKEN = {
    "upgrade in capitals": without("Upgrade", "UPGRADE: WebSocket"),
    "a list of connections": without("Connection", "Connection: keep-alive, UPGRADE"),
    "connections in two lines": without(
        "Connection", "Connection: keep-alive", "Connection: Upgrade"
    ),
    "spaces around": without("Sec-WebSocket-Version", "Sec-WebSocket-Version:   13  "),
    "an origin of this machine": also("Origin: http://127.0.0.1:3000"),
    "deflate": also("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
    "odd parameters": also(
        'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99; x="; ,,=;'
    ),
    "an unknown extension": also("Sec-WebSocket-Extensions: x-webkit-deflate-frame, ;;;="),
    "a subprotocol": also("Sec-WebSocket-Protocol: chat, superchat"),
    "many headers": also(*(f"X-{own}: {own}" for own in range(200))),
}


def told(sent: bytes) -> tuple[int, str]:
    """Give the status and the head of the answer."""

    async def ask() -> str:
        async with serving(World()) as port, peer(port, sent) as own:
            return await own.head()

    head = asyncio.run(ask())
    status = re.match(r"HTTP/1\.1 (\d{3}) ", head)
    assert status, head
    return int(status[1]), head


def mistakes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [own.getMessage() for own in caplog.records if own.levelno >= logging.WARNING]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_handshake_is_refused_and_not_logged_as_our_error(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, status = REFUSED[name]
    found, _ = told(sent)
    assert (found, mistakes(caplog)) == (status, [])


@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_but_proper_handshake_is_taken_and_no_extension_is_agreed(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    found, head = told(TAKEN[name])
    assert (found, mistakes(caplog)) == (101, [])
    assert "sec-websocket-extensions" not in head.lower()
    assert "sec-websocket-protocol" not in head.lower()


def test_frames_may_follow_the_handshake_in_the_same_segment() -> None:
    async def ask() -> bytes:
        async with serving(World()) as port, peer(port, handshake() + FRAME) as own:
            return await own.until(b'"id":1}')

    assert b'"pong"' in asyncio.run(ask())


def test_a_handshake_may_come_byte_by_byte() -> None:
    async def ask() -> bytes:
        async with serving(World()) as port, peer(port, b"") as own:
            await drip(own, handshake() + FRAME)
            return await own.until(b'"id":1}')

    assert b'"pong"' in asyncio.run(ask())


async def drip(own: Peer, data: bytes) -> None:
    for byte in data:
        own.writer.write(bytes((byte,)))
        await own.writer.drain()
        await asyncio.sleep(0)


def test_tornado_is_the_one_that_taking_sockets_out_of_its_streams_was_written_for() -> None:
    assert (6, 6, 1) <= tornado.version_info[:3] < (6, 7)
    assert "tornado>=6.6.1,<6.7\n" in (ROOT / "setup.cfg").read_text()
