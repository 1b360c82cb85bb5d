"""What happens to connections, machines and clocks, done for real."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import orjson

from feed.client.frames import client_frame
from feed.protocol.frames import Opcode
from tests.integration.running import ANSWER_S, Client, Feed, wait_for
from tests.server.local import handshake

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
IN_A_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
AWAY = "127.0.0.2"
"""An address of this machine that `partition` cuts off, and 127.0.0.1 stays."""


class Beat(NamedTuple):
    """A heartbeat: when it arrived on the clocks of this process, and what was published until it.

    Attributes:
        stamps_s: `ts_out` of the ticks since the heartbeat before, and of its own.
    """

    monotonic_s: float
    wall_s: float
    stamps_s: list[float]


def join(stack: ExitStack, feed: Feed, *symbols: str) -> socket.socket:
    """Subscribe over a bare socket, on which nobody answers or reads any more."""
    sock = stack.enter_context(socket.create_connection(("127.0.0.1", feed.port), ANSWER_S))
    command = orjson.dumps({"type": "subscribe", "symbols": symbols})
    sock.sendall(handshake() + client_frame(Opcode.TEXT, command))
    received = b""
    while b'"subscribed"' not in received:
        received += sock.recv(65_536)
    return sock


def reset(sock: socket.socket) -> None:
    """Close with RST in place of FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    sock.close()


def half_close(sock: socket.socket) -> None:
    """Send FIN, and read on up to the other side's own.

    Raises:
        ConnectionResetError: there was none.
    """
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(65_536):
        pass


def reset_at_once(feed: Feed, count: int) -> None:
    """Let clients of everything join, and reset them all; the feed must let each of them go."""
    with ExitStack() as stack:
        before, gone = descriptors(feed), closed(feed, 1006)
        for sock in [join(stack, feed, "*") for _ in range(count)]:
            reset(sock)
        wait_for(lambda: closed(feed, 1006) >= gone + count, "all are closed")
        wait_for(lambda: descriptors(feed) <= before, "all descriptors are free")


def half_close_at_once(feed: Feed, count: int) -> None:
    """Let clients join and shut their side; the feed must shut its own, without RST."""
    with ExitStack() as stack:
        before, gone = descriptors(feed), closed(feed, 1006)
        for sock in [join(stack, feed, "S00*") for _ in range(count)]:
            half_close(sock)
        wait_for(lambda: closed(feed, 1006) >= gone + count, "all are closed")
        wait_for(lambda: descriptors(feed) <= before, "all descriptors are free")


def descriptors(feed: Feed) -> int:
    """Count the open file descriptors of a feed."""
    return len(os.listdir(f"/proc/{feed.process.pid}/fd"))


def closed(feed: Feed, code: int) -> int:
    """Count the sessions that were closed with a code so far."""
    return feed.log.count(f"closed with {code}")


def faked_clock(stamp: Path) -> tuple[str, ...]:
    """Give the command that runs a program on the wall clock that `step` sets; not monotonic's."""
    step(stamp, 0)
    settings = {
        "LD_PRELOAD": FAKETIME,
        "FAKETIME_TIMESTAMP_FILE": stamp,
        "FAKETIME_NO_CACHE": 1,
        "FAKETIME_DONT_FAKE_MONOTONIC": 1,
    }
    return ("env", *(f"{name}={value}" for name, value in settings.items()))


def step(stamp: Path, seconds: int) -> None:
    """Set a faked wall clock this far ahead of the machine's."""
    partial = stamp.with_suffix(".partial")
    partial.write_text(f"{seconds:+d}\n")
    partial.replace(stamp)


def beats(own: Client, count: int) -> list[Beat]:
    """Take some heartbeats; one that may have been on its way already is left out."""
    own.until("heartbeat")
    return [next_beat(own) for _ in range(count)]


def next_beat(own: Client) -> Beat:
    beat, ticks = own.until("heartbeat")
    assert ticks, "a subscribed stream was quiet"
    stamps_s = [message["ts_out"] / 1e9 for message in (*ticks, beat)]
    return Beat(time.monotonic(), time.time(), stamps_s)


BUSY_S = 1.5
"""How late a heartbeat may be on a busy machine; one that heeds the wrong clock is hours late."""


def in_time(found: list[Beat], interval_s: float, ahead_s: int) -> bool:
    """Tell whether heartbeats came at their interval, and all that came has the stepped time."""
    gaps_s = [later.monotonic_s - earlier.monotonic_s for earlier, later in pairwise(found)]
    ages_s = [own.wall_s + ahead_s - stamp_s for own in found for stamp_s in own.stamps_s]
    allowed_s = interval_s + BUSY_S
    return max(gaps_s) < allowed_s and all(-1 < age_s < allowed_s + 1 for age_s in ages_s)


def no_network() -> str:
    """Say why no network of its own can be had here; empty when it can."""
    missing = [name for name in ("unshare", "nsenter", "ip", "nft") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    tried = subprocess.run([*IN_A_NETWORK, "nft", "list", "ruleset"], capture_output=True)
    return "needs to be root, with network namespaces and nftables" if tried.returncode else ""


def beside(feed: Feed) -> tuple[str, ...]:
    """Give the command that runs a program in the network of a feed."""
    return ("nsenter", "--target", str(feed.process.pid), "--net")


def partition(feed: Feed) -> None:
    """Drop every packet from and to `AWAY`: neither side is told."""
    rules = (
        "add table inet cut",
        "add chain inet cut arriving { type filter hook input priority 0; }",
        f"add rule inet cut arriving ip daddr {AWAY} drop",
        f"add rule inet cut arriving ip saddr {AWAY} drop",
    )
    subprocess.run([*beside(feed), "nft", "; ".join(rules)], check=True)


def heal(feed: Feed) -> None:
    subprocess.run([*beside(feed), "nft", "delete table inet cut"], check=True)
