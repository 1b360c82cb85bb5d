"""How a feed begins and ends: address first, a farewell last, and no traceback in between."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.running import (
    ANSWER_S,
    STOP_S,
    client,
    run,
    serving,
    stoppable,
    wait_for,
)

MARKET = ("--simulate", "3", "--seed", "1")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_sends_clients_home_with_4000_and_frees_the_port(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving(tmp_path, *MARKET) as feed, client(feed) as own:
        own.subscribe("*")
        feed.process.send_signal(number)
        closing, _ = own.until("closing")
        with pytest.raises(ConnectionClosed) as closed:
            own.next()
        assert feed.process.wait(STOP_S) == 0
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", feed.port))
            sock.listen()
    assert closing == {"type": "closing", "code": 4000, "reason": "draining", "reconnect": True}
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "draining")


def test_a_feed_without_clients_stops_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, *MARKET) as feed:
        begun = time.monotonic()
        assert feed.stop() == 0
        assert time.monotonic() - begun < 2


def test_a_second_signal_ends_a_drain_that_takes_long(tmp_path: Path) -> None:
    busy = ("--simulate", "50", "--rate", "20000", "--send-buffer-bytes", "65536")
    with serving(tmp_path, *busy, "--drain-timeout-s", "600") as feed, stoppable(feed) as own:
        own.send(type="subscribe", symbols=["*"], channels=["quotes"])
        with client(feed, batch=True) as other:
            other.subscribe("*")
            other.ticks(20_000)
        feed.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "draining" in feed.log, "the drain has begun")
        assert feed.process.poll() is None
        assert feed.stop(signal.SIGINT) == 0


def test_a_tape_that_ends_leaves_the_feed_serving(tmp_path: Path) -> None:
    tape = tmp_path / "one.csv"
    tape.write_text("ts_event,symbol,price,size\n1700000000000000001,AAA,1.5,7\n")
    with serving(tmp_path, "--replay", str(tape), "--heartbeat-interval-s", "0.2") as feed:
        wait_for(lambda: "source replay ended" in feed.log, "the tape has ended")
        with client(feed) as own:
            own.subscribe("AAA")
            snapshot, _ = own.until("snapshot")
            beat, _ = own.until("heartbeat")
    assert snapshot["trade"]["price"] == 1.5
    assert snapshot["trade"]["ts_event"] == 1_700_000_000_000_000_001
    assert beat["sources"] == {"replay": "ended"}


def test_a_tape_that_breaks_ends_the_feed_with_one_line(tmp_path: Path) -> None:
    tape = tmp_path / "broken.csv"
    rows = [f"{1_700_000_000_000_000_000 + at},AAA,1.5,7" for at in range(10)]
    tape.write_text("\n".join(["ts_event,symbol,price,size", *rows, "1,AAA,-5,7"]) + "\n")
    ran = run("serve", "--port", "0", "--speed", "0", "--replay", str(tape))
    assert ran.returncode == 1
    lines = [line for line in ran.stderr.splitlines() if " INFO " not in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"feed: {tape}, row 11: ")


def test_an_address_in_use_ends_the_second_feed_with_one_line(tmp_path: Path) -> None:
    with serving(tmp_path, *MARKET) as feed:
        ran = run("serve", "--port", str(feed.port), *MARKET)
        address = f"127.0.0.1:{feed.port}"
    assert (ran.returncode, ran.stdout) == (1, "")
    reason = "address already in use (choose another with --port)"
    assert ran.stderr == f"feed: cannot listen on {address}: {reason}\n"


def test_a_terminal_sees_the_progress(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        with serving(tmp_path, *MARKET, stderr=theirs):
            shown = read_terminal(ours, b"ticks/s")
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"simulate" in shown
    assert b"Traceback" not in shown


def read_terminal(terminal: int, wanted: bytes) -> bytes:
    shown = b""
    deadline = time.monotonic() + ANSWER_S
    while wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"never saw {wanted!r} in {shown!r}"
        shown += os.read(terminal, 4096)
    return shown
