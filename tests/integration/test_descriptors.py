"""More connections than file descriptors: nobody suffers but those who are over the limit."""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from feed.server.descriptors import for_sessions
from tests.integration.running import Feed, client, serving, wait_for
from tests.server.local import handshake

DESCRIPTORS = 64
CROWD = 200
WATCHED_S = 1.0

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has"
)


def limited(descriptors: int, kind: str = "") -> tuple[str, ...]:
    return ("sh", "-c", f'ulimit {kind} -n {descriptors} && exec "$@"', "sh")


def knock(stack: ExitStack, port: int) -> socket.socket:
    """Ask for a session, and do not wait for the answer."""
    sock = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    sock.sendall(handshake())
    return sock


def admitted(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(handshake())
        return sock.recv(12)[9:] == b"101"


def answers(crowd: list[socket.socket]) -> Counter[str]:
    """Count the HTTP statuses that came within a second; `` where none did."""
    time.sleep(WATCHED_S)
    ready, _, _ = select.select(crowd, [], [], 0)
    statuses = [sock.recv(12, socket.MSG_PEEK)[9:].decode() for sock in ready]
    return Counter(statuses + [""] * (len(crowd) - len(ready)))


def busy_s(feed: Feed) -> float:
    """Give how long the process has used a core so far."""
    stat = Path(f"/proc/{feed.process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(stat[11]) + int(stat[12])) / 100


def test_a_crowd_beyond_the_descriptors_waits_or_is_refused_and_costs_nothing(
    tmp_path: Path,
) -> None:
    market = ("--simulate", "3", "--rate", "200")
    with (
        serving(tmp_path, *market, under=limited(DESCRIPTORS)) as feed,
        client(feed) as bystander,
    ):
        bystander.subscribe("*")
        with ExitStack() as stack:
            crowd = [knock(stack, feed.port) for _ in range(CROWD)]
            found = answers(crowd)
            assert found["101"] == for_sessions(DESCRIPTORS) - 1
            assert found["503"] > 0
            assert found.keys() == {"101", "503", ""}
            before_s = busy_s(feed)
            bystander.ticks(int(200 * WATCHED_S))
            assert busy_s(feed) - before_s < 0.5 * WATCHED_S
            assert feed.log.count("no file descriptor") == 1
        wait_for(lambda: feed.log.count("closed with") >= found["101"], "the crowd has gone")
        # Those of it that nobody had accepted yet come and go now.
        wait_for(lambda: admitted(feed.port), "there is room again")
        with client(feed) as newcomer:
            newcomer.subscribe("*")
            newcomer.ticks(3)


def test_a_soft_limit_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "3", under=limited(DESCRIPTORS, "-S")) as feed:
        limits = Path(f"/proc/{feed.process.pid}/limits").read_text()
        [line] = [own for own in limits.splitlines() if own.startswith("Max open files")]
        soft, hard = line.split()[3:5]
        assert soft == hard != str(DESCRIPTORS)


def test_a_connection_limit_is_kept_to_the_session(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--simulate", "3", "--connection-limit", "5") as feed,
        ExitStack() as stack,
    ):
        assert answers([knock(stack, feed.port) for _ in range(8)]) == {"101": 5, "503": 3}
