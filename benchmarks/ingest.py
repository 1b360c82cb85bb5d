"""How fast ticks get in: through the hub with nobody listening, and from a tape to one listener."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.servers import Job, Server
from benchmarks.shot import Load, shoot
from feed.ticks import Tick

BURST = 2_000
SYMBOLS = 500
WRITE_LIMIT_S = 300


def bursts(count: int) -> Iterator[list[Tick]]:
    """Make `count` bursts of a simulated market, as the simulator hands them on."""
    from feed.sources.market import Market

    names = [f"S{i:03}" for i in range(SYMBOLS)]
    blocks = Market(names, rate=100_000.0, seed=7, start_ns=0).blocks()
    made = (
        block.ticks(start, start + BURST)
        for block in blocks
        for start in range(0, len(block) - BURST, BURST)
    )
    return islice(made, count)


def publish(count: int = 300) -> dict[str, Any]:
    """Publish bursts that were made before, through tickerplant and hub, to nobody.

    Returns:
        `ticks_per_s`, and `us_per_tick` beyond the tick's creation.
    """
    from feed.clock import SystemClock
    from feed.hub.hub import Hub
    from feed.hub.tickerplant import Tickerplant

    hub = Hub(lambda flush: None)
    tickerplant = Tickerplant(hub.index, hub.receive, SystemClock())
    ready = deque(bursts(count))
    total = sum(map(len, ready))
    began_s = time.perf_counter()
    while ready:  # the hub keeps what it wants to keep; the rest goes, as it does in the feed
        tickerplant.publish(ready.popleft())
    took_s = time.perf_counter() - began_s
    return {"ticks": total, "ticks_per_s": total / took_s, "us_per_tick": took_s / total * 1e6}


def replay(ticks: int) -> dict[str, Any]:
    """Replay a Parquet tape as fast as possible to one client of everything, over a socket."""
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape.parquet"
        command = [sys.executable, "-m", "feed", "simulate", "--out", str(tape)]
        command += ["--symbols", str(SYMBOLS), "--ticks", str(ticks), "--seed", "7"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=WRITE_LIMIT_S)
        load = Load(1, SYMBOLS, 1, wildcard=1, channels="quotes,trades", warm_s=0.5)
        shot = shoot(_replaying(tape), Job(SYMBOLS, 0.0), load)
    kept = ("ticks_per_s", "published_per_s", "delivered_share", "skipped", "holes", "server_cpu")
    return {name: shot.result[name] for name in kept}


def _replaying(tape: Path) -> Server:
    def command(port: int, job: Job) -> list[str]:
        words = ["serve", "--port", str(port), "--replay", str(tape), "--speed", "0", "--loop"]
        return [sys.executable, "-m", "feed", *words, "--log-level", "warning"]

    return Server("replay", "replay", command, (1.0, 1.0), "/v1/stream?batch=1")
