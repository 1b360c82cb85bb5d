"""A crowd of readers that stopped is cut at once: no storm in the log, and the memory is back."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from feed.client.frames import client_frame
from feed.protocol.frames import Opcode
from tests.integration.running import Client, Feed, client, serving, wait_for
from tests.server.local import handshake

RATE = 1_000
FILLING_S = 3.0
BACK_S = 10.0
STALL_MS = 100
RESET = struct.pack("ii", 1, 0)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has"
)
sizes = pytest.mark.parametrize(
    "clients", [50, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(120)])]
)


@contextmanager
def stopped(feed: Feed, count: int) -> Iterator[list[socket.socket]]:
    """Subscribe clients that never read; at the end each is reset."""
    command = orjson.dumps({"type": "subscribe", "symbols": ["*"], "channels": ["quotes"]})
    crowd = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        sock.connect(("127.0.0.1", feed.port))
        sock.sendall(handshake() + client_frame(Opcode.TEXT, command))
        crowd.append(sock)
    try:
        yield crowd
    finally:
        for sock in crowd:
            sock.close()


def slowest_pong_ms(own: Client, seconds: float) -> float:
    """Ping all the time for a while: the event loop answers as late as it is held up."""
    until = time.monotonic() + seconds
    slowest_s = 0.0
    while (asked := time.monotonic()) < until:
        own.send(type="ping")
        own.until("pong")
        slowest_s = max(slowest_s, time.monotonic() - asked)
    return slowest_s * 1000


@sizes
def test_a_crowd_cut_at_once_leaves_nothing_behind(
    tmp_path: Path, clients: int, request: pytest.FixtureRequest
) -> None:
    market = ("--simulate", "50", "--rate", str(RATE), "--seed", "1")
    bounds = ("--journal-ticks-per-stream", "10", "--send-buffer-bytes", "16384")
    pings = ("--commands-per-s", "1000000")
    with serving(tmp_path, *market, *bounds, *pings) as feed, client(feed, batch=True) as bystander:
        bystander.subscribe("S000")
        slowest_pong_ms(bystander, 1.0)
        before_kib = feed.resident_kib
        with stopped(feed, clients):
            wait_for(lambda: feed.log.count(" opened from ") == clients + 1, "all are in", 60)
            slowest_pong_ms(bystander, FILLING_S)
            full_kib = feed.resident_kib
            cut = time.monotonic()
        cut_ms = slowest_pong_ms(bystander, 1.0)
        wait_for(lambda: feed.log.count("closed with 1006") == clients, "all have gone")
        back_kib = wait_for(
            lambda: feed.resident_kib if feed.resident_kib < 1.2 * before_kib else None,
            f"the memory is back from {full_kib} KiB to {before_kib} KiB",
            BACK_S - (time.monotonic() - cut),
        )
        log = feed.log
    request.node.user_properties += [("back_kib", back_kib), ("slowest_pong_ms", cut_ms)]
    assert full_kib > before_kib + 30 * clients, "they did hold something"
    assert len(log.splitlines()) < 2 * clients + 20
    if "soak" in request.node.keywords:
        assert cut_ms < STALL_MS
