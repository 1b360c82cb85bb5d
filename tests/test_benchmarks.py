"""The load client tells a good server from a bad one, and the search finds the top of a server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.build import client_command
from benchmarks.machine import HERE
from benchmarks.search import search
from benchmarks.shot import Shot, ShotFailed

ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
PYTHON = [sys.executable, str(HERE / "client.py")]


def frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def quote(seq: int) -> bytes:
    return (
        b'{"type":"quote","symbol":"S000","seq":%d,"ts_event":5,"bid":1.0,"bid_size":1,'
        b'"ask":2.0,"ask_size":null,"ts_out":1764000000123999000}' % seq
    )


def skipped(first: int, last: int) -> bytes:
    return (
        b'{"type":"skipped","channel":"quotes","symbol":"S000","first_seq":%d,"last_seq":%d,'
        b'"count":%d,"reason":"conflated"}' % (first, last, last - first + 1)
    )


def batch(seqs: range) -> bytes:
    return b"[" + b",".join(map(quote, seqs)) + b"]"


def converse(listener: socket.socket, messages: list[bytes], cut: int) -> None:
    sock, _ = listener.accept()
    with sock:
        sock.recv(4_096)
        sock.sendall(ACCEPTED + frame(b'{"type":"welcome","protocol":1}'))
        sock.recv(4_096)
        sock.sendall(frame(b'{"type":"subscribed","subscriptions":{}}') + frame(quote(1)))
        threading.Event().wait(0.6)  # the client's warm-up
        stream = b"".join(map(frame, messages))
        for at in range(0, len(stream), cut):
            sock.sendall(stream[at : at + cut])
        while sock.recv(4_096):
            pass


@contextmanager
def serving(messages: list[bytes], cut: int) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (listener, messages, cut)
        thread = threading.Thread(target=converse, args=arguments, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def report(command: list[str], messages: list[bytes], cut: int = 1 << 20) -> dict[str, int]:
    with serving(messages, cut) as port:
        words = ["--port", str(port), "--clients", "1", "--symbols", "1", "--per", "1"]
        words += ["--warm-s", "0.3", "--measure-s", "1.2"]
        done = subprocess.run([*command, *words], capture_output=True, timeout=30, check=True)
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module", params=["compiled", "python"])
def command(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "python":
        return PYTHON
    compiled = client_command()
    if compiled == PYTHON:
        pytest.skip("no C compiler")
    return compiled


def test_a_whole_stream_in_every_form_of_frame_has_no_fault(command: list[str]) -> None:
    messages = [
        *map(quote, range(2, 12)),
        batch(range(12, 20)),
        batch(range(20, 1_000)),
        quote(1000),
    ]
    got = report(command, messages, cut=9_973)
    assert got["ticks"] == 999
    assert (got["holes"], got["duplicates"], got["skipped"], got["errors"]) == (0, 0, 0, 0)
    assert got["delivered_share"] == 1


def test_holes_notices_and_repetitions_are_told_apart(command: list[str]) -> None:
    messages = [quote(2), quote(5), skipped(6, 9), quote(10), quote(10), quote(11)]
    got = report(command, messages)
    assert (got["holes"], got["skipped"], got["duplicates"]) == (2, 4, 1)
    assert got["ticks"] == 5


def shot(rate: float, limit: float) -> Shot:
    managed = min(rate, limit)
    good = {"saturated": False, "live": 1, "clients": 1, "errors": 0, "holes": 0, "duplicates": 0}
    return Shot(rate, good | {"p99_us": 1.0, "delivered_share": 1.0, "published_per_s": managed})


@pytest.mark.parametrize("limit", [900.0, 5_000.0, 1_000_000.0])
def test_a_search_ends_just_below_what_a_server_can_do(limit: float) -> None:
    found = search(lambda rate: shot(rate, limit), 30_000.0, resolution=1.05, tries=40)
    assert found.best is not None
    assert limit / 1.05 <= found.best.rate <= limit / 0.95


def test_a_search_ends_without_a_best_when_nothing_is_held() -> None:
    def fails(rate: float) -> Shot:
        raise ShotFailed("the server ended with 1")

    assert search(fails, 1_000.0, resolution=1.05, tries=5).best is None
