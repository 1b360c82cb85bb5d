"""One measurement: a server started, loaded by the client for a few seconds, and ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from tempfile import TemporaryFile
from typing import IO, Any

from benchmarks.build import client_command
from benchmarks.machine import CLIENT_CORE, PEERS, ROOT, SERVER_CORE, free_port, pinned
from benchmarks.servers import Job, Server

START_LIMIT_S = 20.0
CLIENT_LIMIT_S = 90.0

LATENCY_LIMIT_US = 100_000.0
DELIVERED_LEAST = 0.98
PUBLISHED_LEAST = 0.95
"""A simulated market clusters: over two seconds its mean rate is within some percent of its own."""


class ShotFailed(Exception):
    """A server or the client did not do what the measurement needs."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the client does; the fields are its options.

    Attributes:
        per: symbols of each watchlist.
        distinct: how many different watchlists there are; 0 is one for each client.
        check_every: of how many connections one is checked tick by tick.
        nap_us: how long the client lets data collect between reads.
    """

    clients: int
    symbols: int
    per: int
    distinct: int = 0
    wildcard: int = 0
    channels: str = "quotes"
    snapshot: int = 0
    seed: int = 7
    check_every: int = 1
    nap_us: int = 0
    warm_s: float = 1.0
    measure_s: float = 2.0

    def options(self) -> list[str]:
        """Give the client's words."""
        pairs = ((f"--{name.replace('_', '-')}", getattr(self, name)) for name in self.__slots__)
        return [str(word) for pair in pairs for word in pair]


@dataclass(frozen=True, slots=True)
class Shot:
    """What one measurement gave.

    Attributes:
        rate: quotes per second that were asked of the server.
        result: the client's own report; docs/PERFORMANCE.md explains the figures.
    """

    rate: float
    result: dict[str, Any]

    @property
    def saturated(self) -> bool:
        """Whether the client was the limit, so that the figure says little of the server."""
        return bool(self.result["saturated"])

    @property
    def held(self) -> bool:
        """Whether everybody got what was asked for, in time."""
        got = self.result
        return (
            not self.saturated
            and got["live"] == got["clients"]
            and got["errors"] == got["holes"] == got["duplicates"] == 0
            and got["p99_us"] <= LATENCY_LIMIT_US
            and got["delivered_share"] >= DELIVERED_LEAST
            and got["published_per_s"] >= PUBLISHED_LEAST * self.rate
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A server that accepts connections."""

    server: Server
    pid: int
    port: int


@contextmanager
def running(server: Server, job: Job) -> Iterator[Running]:
    """Start a server on its core, and end it whatever happens.

    Raises:
        ShotFailed: it is absent, or does not come to accept connections.
    """
    port = free_port()
    command = server.command(port, job)
    if command is None:
        raise ShotFailed("absent")
    with TemporaryFile() as log:
        process = _start([*pinned(SERVER_CORE), *command], subprocess.DEVNULL, log)
        try:
            _await_port(process, port)
            yield Running(server, process.pid, port)
        except ShotFailed as error:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise ShotFailed(f"{error} {last}".strip()) from None
        finally:
            _end(process)


@contextmanager
def client(target: Running, load: Load) -> Iterator[subprocess.Popen[bytes]]:
    """Start the load client on its core, and end it whatever happens."""
    words = ["--port", str(target.port), "--path", target.server.path, "--pid", str(target.pid)]
    command = [*pinned(CLIENT_CORE), *client_command(), *words, *load.options()]
    process = _start(command, subprocess.PIPE, subprocess.DEVNULL)
    try:
        yield process
    finally:
        _end(process)


def collect(process: subprocess.Popen[bytes], load: Load) -> dict[str, Any]:
    """Wait for the client's report.

    Raises:
        ShotFailed: there is none.
    """
    limit_s = CLIENT_LIMIT_S + load.warm_s + load.measure_s
    try:
        told, _ = process.communicate(timeout=limit_s)
        return dict(json.loads(told))
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise ShotFailed(f"no report of the client: {error}") from None


def shoot(server: Server, job: Job, load: Load) -> Shot:
    """Measure a server once.

    Raises:
        ShotFailed: there is no figure.
    """
    with running(server, job) as target, client(target, load) as process:
        return Shot(job.rate, collect(process, load))


def quicker(load: Load, factor: float) -> Load:
    """Give the load with a window that is shorter by a factor."""
    return replace(load, warm_s=load.warm_s * factor, measure_s=load.measure_s * factor)


def _start(command: list[str], output: int, log: int | IO[bytes]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PEERS_MODULES": str(PEERS / "node_modules")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=log,
        cwd=ROOT,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the benchmark, which ends its children itself
    )


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    limit_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit_s:
        if process.poll() is not None:
            raise ShotFailed(f"the server ended with {process.returncode}")
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise ShotFailed(f"the server does not accept connections after {START_LIMIT_S:g} s")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill: no server here has anything to save, and a slow goodbye could be interrupted."""
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
