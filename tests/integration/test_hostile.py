"""What a hostile peer sends at a real process: an exact answer each, and no word of it anywhere."""

from __future__ import annotations

import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.integration.running import Feed, client, run, serving, wait_for

CANARY = "canary-7c1f2a9d"
SHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    folder = tmp_path_factory.mktemp("hostile")
    keys = str(folder / "keys.toml")
    run("keys", "create", "desk-2", "--file", keys)
    asking = ("--authentication", "optional", "--api-keys", keys)
    with serving(folder, "--simulate", "A", "--log-level", "debug", *asking) as running:
        yield running


def talk(feed: Feed, sent: bytes, *, one_by_one: bool = False) -> bytes:
    """Send bytes and give all that comes until the feed closes, or has said nothing for a while."""
    got = b""
    with socket.create_connection(("127.0.0.1", feed.port), timeout=0.7) as sock:
        for piece in [bytes([own]) for own in sent] if one_by_one else [sent]:
            sock.sendall(piece)
        with suppress(TimeoutError, ConnectionResetError):
            while data := sock.recv(65_536):
                got += data
    return got


def masked(opcode: int, payload: bytes) -> bytes:
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


HOSTILE: dict[str, tuple[bytes, list[int]]] = {
    "two requests at once": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2, [200, 200]),
    "a request smuggled by two lengths": (
        b"POST /v1/ticks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n",
        [403],
    ),
    "a request behind a handshake that is refused": (
        SHAKE.format(path="/", headers="Origin: null\r\n").encode()
        + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        [403, 200],
    ),
    "headers without end": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000, []),
    "a folded header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", [400]),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", [400]),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", [400]),
    "another host in the request line": (
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        [403],
    ),
    "HTTP 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "a path of escapes": (b"GET /%0d%0a%1b[2J%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", [404]),
    "a path up": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", [404]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_http_has_an_exact_answer(feed: Feed, name: str) -> None:
    sent, statuses = HOSTILE[name]
    told = talk(feed, sent)
    assert [int(own) for own in re.findall(rb"HTTP/1\.1 (\d{3}) ", told)] == statuses


def test_single_bytes_are_a_handshake_and_commands_like_any_others(feed: Feed) -> None:
    ping = masked(1, b'{"type":"ping","id":"slow"}')
    sent = SHAKE.format(path="/v1/stream", headers="").encode() + ping
    assert b'"id":"slow"' in talk(feed, sent, one_by_one=True)


def test_a_flood_of_pings_is_answered_and_holds_nobody_up(feed: Feed) -> None:
    with client(feed) as bystander:
        flood = SHAKE.format(path="/", headers="").encode() + masked(9, b"x") * 20_000
        assert talk(feed, flood).count(b"\x8a\x01x") > 0
        bystander.send(type="ping", id="alive")
        assert bystander.until("pong")[0]["id"] == "alive"


def test_a_message_of_a_million_symbols_is_too_large(feed: Feed) -> None:
    with client(feed) as own:
        with pytest.raises(ConnectionClosed) as closed:
            own.subscribe(*(f"S{number}" for number in range(1_000_000)))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_no_secret_and_nothing_raw_is_in_log_metrics_or_replies(feed: Feed) -> None:
    told: list[object] = []
    for headers, protocols in (
        ({"Authorization": f"Bearer {CANARY}"}, None),
        ({"Authorization": f"Basic {CANARY}"}, None),
        ({"Cookie": f"session={CANARY}", "X-Api-Key": CANARY}, None),
        ({}, [Subprotocol("feed.v1"), Subprotocol(f"bearer.{CANARY}")]),
    ):
        with (
            suppress(ConnectionClosed, InvalidStatus),
            connect(
                f"{feed.url}?token={CANARY}", additional_headers=headers, subprotocols=protocols
            ) as own,
        ):
            while True:
                told.append(own.recv(timeout=3))
    with client(feed) as asked:
        for fields in (
            {"type": CANARY},
            {"type": "authenticate", "token": {"a": CANARY}},
            {"type": "authenticate", "token": CANARY},
        ):
            asked.send(**fields)
            told.append(asked.until("error")[0])
    talk(feed, b"GET /\x1b[31m?token=%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % CANARY.encode())
    with urllib.request.urlopen(f"http://127.0.0.1:{feed.port}/metrics", timeout=10) as page:
        metrics = page.read().decode()
    wait_for(lambda: feed.log.count("closed with 4501") >= 2, "the ends of those sessions")
    assert CANARY not in feed.log
    assert CANARY not in metrics
    secrets = [own for own in told if CANARY in str(own) and "unknown_type" not in str(own)]
    assert not secrets
    assert "feed_refusals_total" in metrics
    assert not re.search(r"[^\n\x20-\x7e]", feed.log)
