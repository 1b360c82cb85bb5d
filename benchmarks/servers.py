"""The servers under test, and how each one is started."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build import bun, compiled, peers_python, python_has
from benchmarks.machine import HERE
from feed.sources.market import TRADE_SHARE

FEED_PATH = "/v1/stream"


@dataclass(frozen=True, slots=True)
class Job:
    """What a server is asked to publish.

    Attributes:
        symbols: S000 and so on, all of which tick.
        rate: quotes per second, of all symbols together.
        flush_ms: how long ticks are collected before they are sent; 0 is a turn of the loop.
    """

    symbols: int
    rate: float
    flush_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Server:
    """One server.

    Attributes:
        name: what `--peers` calls it.
        title: what the tables call it.
        command: gives the command that serves a job on a port, or None when it cannot be had.
        guess_us: CPU µs per delivered tick, of W1 and of W2: where a search begins.
        path: what the client connects to.
    """

    name: str
    title: str
    command: Callable[[int, Job], list[str] | None]
    guess_us: tuple[float, float]
    path: str = FEED_PATH


def _feed(port: int, job: Job) -> list[str]:
    """The whole product as released; a fifth of its ticks are trades that nobody asked for."""
    rate = job.rate / (1 - TRADE_SHARE)
    command = [sys.executable, "-m", "feed", "serve", "--port", str(port), "--seed", "7"]
    command += ["--simulate", str(job.symbols), "--rate", f"{rate:.6g}", "--log-level", "warning"]
    return command + (["--flush-interval-ms", f"{job.flush_ms:g}"] if job.flush_ms else [])


def _floor(port: int, job: Job) -> list[str] | None:
    binary = compiled(HERE / "peers" / "floor.c")
    words = [str(port), str(job.symbols), f"{job.rate:.6g}", f"{job.flush_ms:g}"]
    return [str(binary), *words] if binary else None


def _script(program: Path | str | None, name: str, port: int, job: Job) -> list[str] | None:
    if program is None:
        return None
    script = str(HERE / "peers" / name)
    return [str(program), script, str(port), str(job.symbols), f"{job.rate:.6g}"]


def _python(module: str, *needs: str) -> Callable[[int, Job], list[str] | None]:
    def command(port: int, job: Job) -> list[str] | None:
        if not all(python_has(name) for name in (module, *needs)):
            return None
        return _script(peers_python(), f"{module}_peer.py", port, job)

    return command


SERVERS = (
    Server("feed", "**feed**", _feed, (0.16, 0.04)),
    Server("feed-batch", "**feed**, `batch=1`", _feed, (0.16, 0.04), f"{FEED_PATH}?batch=1"),
    Server("floor", "C floor", _floor, (0.1, 0.06)),
    Server("bun", "Bun publish", lambda port, job: _script(bun(), "bun.js", port, job), (0.4, 0.4)),
    Server("socketify", "socketify", _python("socketify"), (0.8, 0.5)),
    Server("picows", "picows + uvloop", _python("picows", "uvloop"), (6.0, 9.0)),
    Server("websockets", "websockets `broadcast`", _python("websockets"), (9.0, 15.0)),
    Server(
        "ws", "Node ws", lambda p, job: _script(shutil.which("node"), "ws.js", p, job), (9.0, 13.0)
    ),
    Server("aiohttp", "aiohttp + uvloop", _python("aiohttp", "uvloop"), (10.0, 13.0)),
    Server("tornado", "Tornado `write_message`", _python("tornado"), (30.0, 40.0)),
)

BY_NAME = {server.name: server for server in SERVERS}
