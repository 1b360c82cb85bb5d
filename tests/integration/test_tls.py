"""wss:// at a real process: nothing is lost, slow readers are bounded, certificates come anew."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.integration.running import (
    TICK_TYPES,
    Client,
    Feed,
    Message,
    by_stream,
    has_every_seq,
    run,
    serving,
    small_socket,
    wait_for,
    welcomed,
)

pytest.importorskip("trustme", reason="needs the extra dev")

OUTBOX_BYTES = 262_144


def certify(folder: Path) -> list[str]:
    assert run("dev-cert", "--folder", str(folder)).returncode == 0
    return ["--tls-cert", str(folder / "dev-cert.pem"), "--tls-key", str(folder / "dev-key.pem")]


@contextmanager
def client(feed: Feed, folder: Path, sock: socket.socket | None = None) -> Iterator[Client]:
    trusting = ssl.create_default_context(cafile=str(folder / "dev-ca.pem"))
    options = {"sock": sock, "server_hostname": "127.0.0.1", "max_queue": 1} if sock else {}
    with connect(
        f"{feed.url}?batch=1", ssl=trusting, proxy=None, ping_interval=None, **options
    ) as connection:  # type: ignore[call-overload]
        try:
            yield welcomed(connection)
        finally:
            if sock is not None:
                connection.close_socket()


def read_to_the_end(own: Client) -> tuple[list[Message], int | None]:
    """Give what is left, and the code of the close."""
    messages: list[Message] = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(own.next())
    return messages, own.connection.close_code


def test_a_slow_reader_is_closed_with_4001_and_others_get_everything_in_order(
    tmp_path: Path,
) -> None:
    market = ("--simulate", "50", "--rate", "10000", "--drain-timeout-s", "1")
    bounds = ("--outbox-limit-bytes", str(OUTBOX_BYTES), "--send-buffer-bytes", "65536")
    with serving(tmp_path, *market, *bounds, *certify(tmp_path)) as feed:
        assert feed.url.startswith("wss://")
        with (
            client(feed, tmp_path) as bystander,
            client(feed, tmp_path, small_socket(feed.port)) as slow,
        ):
            bystander.subscribe("S000", snapshot=False)
            slow.send(type="subscribe", symbols=["*"], delivery="all", snapshot=False)
            seen = bystander.ticks(20)
            while "closed with 4001" not in feed.log:
                seen += bystander.ticks(20)
            assert has_every_seq([own for own in seen if own["type"] == "quote"])
            got, code = read_to_the_end(slow)
            assert code == 4001
            assert got[-1]["type"] == "closing"
            streams = by_stream([own for own in got if own["type"] in TICK_TYPES])
            assert all(has_every_seq(ticks) for ticks in streams.values())
            assert len(streams) > 50


def test_a_certificate_comes_anew_and_no_session_goes(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    with serving(tmp_path, "--simulate", "A", "--rate", "100", *certify(tmp_path)) as feed:
        shutil.copy(tmp_path / "dev-ca.pem", old)
        with client(feed, tmp_path) as before:
            before.subscribe("A", snapshot=False)
            seen = before.ticks(5)
            certify(tmp_path)
            feed.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "the TLS certificate was read anew" in feed.log, "a new certificate")
            with client(feed, tmp_path) as after:
                after.subscribe("A")
                assert after.ticks(1)
            with pytest.raises(ssl.SSLCertVerificationError), client(feed, old):
                pass
            seen += before.ticks(5)
            assert has_every_seq([own for own in seen if own["type"] == "quote"])


def test_who_speaks_no_tls_is_dropped_without_a_word_in_the_log(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "A", *certify(tmp_path)) as feed:
        for sent in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01\xff", b""):
            with socket.create_connection(("127.0.0.1", feed.port), timeout=20) as sock:
                sock.sendall(sent)
                with suppress(ConnectionResetError):
                    while sock.recv(4096):  # an alert, and then the end, at the latest after 5 s
                        pass
        with client(feed, tmp_path) as own:
            own.subscribe("A")
        assert "SSL" not in feed.log
