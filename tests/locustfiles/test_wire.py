from __future__ import annotations

import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from feed.client.handshake import accept_of, read_url
from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed
from feed.protocol.frames import (
    FrameError,
    FrameReader,
    Opcode,
    close_frame,
    control_frame,
    text_frame,
)
from locustfiles.wire import ABNORMAL, Wire, dial
from tests.integration.running import wait_for


@contextmanager
def connected(early: bytes = b"") -> Iterator[tuple[Wire, socket.socket, socket.socket]]:
    """Give a wire, its socket, and the server's end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with near, far:
        far.settimeout(10)
        yield Wire(near, early, read_bytes=4_096), near, far


def sent_by_client(far: socket.socket) -> tuple[int, bytes]:
    (frame,) = FrameReader(1_000).feed(far.recv(1_000))
    return frame


def test_messages_come_in_order_whatever_their_size() -> None:
    messages = [b"one", b"x" * 10_000, b"three"]
    with connected(early=text_frame(b"zero")) as (wire, _, far):
        far.sendall(b"".join(map(text_frame, messages)))
        found: list[str | bytes] = []
        while len(found) < 4:
            found += wire.receive()
    assert found == ["zero", "one", "x" * 10_000, "three"]
    assert wire.taken() == sum(len(text_frame(each)) for each in [b"zero", *messages])
    assert wire.taken() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when bytes came")
def test_bytes_are_as_old_as_their_arrival_however_late_they_are_read() -> None:
    with connected() as (wire, near, far):

        def arrived_before_it_was_looked_for() -> bool:
            far.sendall(text_frame(b"early"))
            select.select([near], [], [], 10)
            looked_ns = time.time_ns()
            assert wire.receive() == ["early"]
            return wire.arrived_ns <= looked_ns < wire.read_ns

        wait_for(arrived_before_it_was_looked_for, "the kernel has begun to stamp")


def test_pings_are_answered() -> None:
    with connected() as (wire, _, far):
        far.sendall(control_frame(Opcode.PING, b"still there?"))
        assert wire.receive() == []
        assert sent_by_client(far) == (Opcode.PONG, b"still there?")


def test_a_close_comes_after_what_was_sent_before_it_and_nothing_comes_after_it() -> None:
    with connected() as (wire, _, far):
        far.sendall(text_frame(b"last") + close_frame(4000, "draining") + text_frame(b"no"))
        assert wire.receive() == ["last"]
        with pytest.raises(Disconnected) as caught:
            wire.receive()
        assert (caught.value.code, caught.value.reason) == (4000, "draining")
        assert sent_by_client(far) == (Opcode.CLOSE, (4000).to_bytes(2, "big"))


def test_an_end_without_a_close_is_told() -> None:
    with connected() as (wire, _, far):
        far.close()
        with pytest.raises(Disconnected) as caught:
            wire.receive()
    assert caught.value.code == ABNORMAL


def test_a_frame_that_is_none_comes_after_what_was_whole() -> None:
    with connected() as (wire, _, far):
        far.sendall(text_frame(b"good") + b"\xff\xff")
        assert wire.receive() == ["good"]
        with pytest.raises(FrameError):
            wire.receive()


@contextmanager
def answering(answer: str) -> Iterator[str]:
    """Answer one handshake; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            far, _ = listener.accept()
            with far:
                asked = far.recv(4_096).decode()
                key = asked.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
                far.sendall(answer.replace("ACCEPT", accept_of(key)).encode("latin-1"))
                far.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


UPGRADE = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ACCEPT\r\n\r\n"
)


def test_what_comes_with_the_handshake_is_not_lost() -> None:
    with answering(UPGRADE + text_frame(b"welcome").decode("latin-1")) as url:
        wire = dial(read_url(url))
        assert wire.receive() == ["welcome"]
        wire.abort()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("HTTP/1.1 503 Busy\r\n\r\n", "the server answered HTTP 503 Busy"),
        ("SSH-2.0-OpenSSH_9\r\n", "not a WebSocket server"),
    ],
)
def test_a_server_that_opens_nothing_is_told(answer: str, text: str) -> None:
    with answering(answer) as url, pytest.raises(ConnectionFailed, match=text):
        dial(read_url(url))


def test_nobody_there_is_told() -> None:
    with pytest.raises(ConnectionFailed, match="connection refused"):
        dial(read_url("ws://127.0.0.1:9"))
