"""A peer that is not there any more is found, whether its socket still takes bytes or not."""

from __future__ import annotations

import socket
from pathlib import Path

import orjson
import pytest

from feed.client.frames import client_frame
from feed.protocol.frames import Opcode
from tests.fakes import frames
from tests.integration.running import client, serving, small_socket, wait_for
from tests.server.local import handshake

BEATING = ("--heartbeat-interval-s", "0.2", "--silence-limit-s", "1")
WILD = client_frame(Opcode.TEXT, orjson.dumps({"type": "subscribe", "symbols": ["*"]}))


@pytest.mark.parametrize(
    ("market", "asked"),
    [
        pytest.param(("--simulate", "3", "--rate", "1"), b"", id="idle"),
        pytest.param(("--simulate", "50", "--rate", "20000"), WILD, id="its buffers full"),
    ],
)
def test_who_answers_no_ping_is_closed_and_who_does_stays(
    tmp_path: Path, market: tuple[str, ...], asked: bytes
) -> None:
    bounds = ("--send-buffer-bytes", "16384", "--outbox-limit-bytes", "100000000")
    with (
        serving(tmp_path, *market, *BEATING, *bounds) as feed,
        client(feed) as bystander,  # its library answers pings while its program does nothing
        small_socket(feed.port) as silent,
    ):
        silent.sendall(handshake() + asked)
        wait_for(lambda: "closed with 4002" in feed.log, "the silent peer is closed")
        bystander.send(type="ping")
        bystander.until("pong")
        assert feed.log.count("closed with 4002") == 1
        if not asked:
            assert frames(read_all(silent).partition(b"\r\n\r\n")[2])[-1][1][:2] == b"\x0f\xa2"


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while more := sock.recv(65_536):
        data += more
    return data
