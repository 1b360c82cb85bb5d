"""Crowds of clients beside a feed, and what must hold of those that have nothing to do with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import orjson

from tests.integration.running import ANSWER_S, ROOT, STOP_S, environment, wait_for
from tests.soak.crowd import SYMBOLS

MARKET = ("--simulate", str(SYMBOLS), "--rate", "2000", "--seed", "1")
GROWTH_KIB = 65_536
"""How much a feed may grow under a fault: 20 outboxes, the journal filling, and some room."""

Report = dict[str, Any]


class Crowd:
    """A process of clients (tests.soak.crowd), commanded line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._hear()

    def tell(self, *words: object) -> Report:
        """Give a command and wait until it is carried out."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()
        return self._hear()

    def watch(self, phase: str, seconds: float) -> None:
        """Let clients receive for a while, counted under the name of a phase."""
        self.tell("phase", phase)
        time.sleep(seconds)

    def report(self) -> Report:
        return self.tell("report")

    def stop(self) -> None:
        """Freeze the process; its clients' sockets stay."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def is_back(self, since: Report, limit_s: float = ANSWER_S) -> Report:
        """Wait until everybody is connected and has received more; gives the report."""

        def back() -> Report | None:
            own = self.report()
            whole = own["connected"] == own["clients"] and own["ticks"] > since["ticks"]
            return own if whole else None

        found: Report = wait_for(back, "everybody is back", limit_s)
        return found

    def _hear(self) -> Report:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the crowd has ended"
        answer: Report = orjson.loads(line)
        return answer


@contextmanager
def crowd(
    url: str,
    clients: int,
    *,
    backoff_s: float | None = None,
    proxied: bool = False,
    under: Sequence[str] = (),
) -> Iterator[Crowd]:
    """Connect a crowd.

    Args:
        backoff_s: how long each waits before it comes back; None is the client's own backoff.
        proxied: whether they come through a proxy of their own, which obeys commands.
        under: a command that runs the command it is given.
    """
    options = [url, str(clients), "" if backoff_s is None else str(backoff_s), "1" * proxied]
    process = subprocess.Popen(
        [*under, sys.executable, "-m", "tests.soak.crowd", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Crowd(process)
        process.stdin.close()
        assert process.wait(STOP_S) == 0
    finally:
        process.kill()
        process.wait(STOP_S)
        process.stdin.close()
        process.stdout.close()


def nothing_unexplained(own: Report) -> None:
    """Hold a crowd to its ledgers: no hole that nobody owned up to, no repeat, no disorder."""
    assert own["failures"] == []
    assert own["faults"] == {}, own["examples"]
    assert own["lost"] == 0
    assert own["epochs"] == 0


def undisturbed(own: Report) -> None:
    """Hold bystanders to have noticed nothing: every tick, over the connection they began with."""
    nothing_unexplained(own)
    assert own["connected"] == own["clients"]
    assert own["disconnects"] == {}
    assert own["skipped"] == 0


def as_fast(own: Report, calm: list[str], disturbed: list[str]) -> tuple[float, float]:
    """Hold bystanders' p99 latency under a fault to that without; gives both, in ms."""
    before_ms, after_ms = (
        median(own["phases"][name]["p99_ms"] for name in names) for names in (calm, disturbed)
    )
    assert after_ms <= max(1.2 * before_ms, before_ms + 5), own["phases"]
    return before_ms, after_ms
