"""How fast a Python program can read the feed: feed.client, and the loop that users write today.

`python -m benchmarks.reading PORT TICKS feed|websockets` reads once and prints ticks per second.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import Any

from benchmarks.build import peers_python
from benchmarks.machine import CLIENT_CORE, ROOT, pinned
from benchmarks.servers import Job, Server
from benchmarks.shot import ShotFailed, running

READ_LIMIT_S = 120


def read(reader: str, ticks: int) -> dict[str, Any]:
    """Let one reader read a recording in a process of its own.

    Args:
        reader: `feed` (typed ticks, `batch=1`) or `websockets` (json, one tick per message).
        ticks: how many the recording has.
    """
    form = "batch" if reader == "feed" else "plain"
    python = sys.executable if reader == "feed" else str(peers_python())
    script = ["-m", "benchmarks.reading"] if reader == "feed" else ["benchmarks/peers/reader.py"]
    with running(blasting(ticks, form), Job(0, 0.0)) as target:
        command = [*pinned(CLIENT_CORE), python, *script, str(target.port), str(ticks)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, check=True, timeout=READ_LIMIT_S
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise ShotFailed(f"the reader {reader} failed: {error}") from None
    return {"ticks": ticks, "ticks_per_s": float(done.stdout)}


def blasting(ticks: int, form: str) -> Server:
    """Give a server that sends a recording of so many ticks as fast as it is read."""

    def command(port: int, job: Job) -> list[str]:
        return [sys.executable, "-m", "benchmarks.blaster", str(port), str(ticks), form]

    return Server("blaster", "blaster", command, (1.0, 1.0))


async def _read(port: int, ticks: int) -> float:
    from feed.client.aio import connect

    count, began_s = 0, 0.0
    async with connect(f"ws://127.0.0.1:{port}", ["*"], snapshot=False, reconnect=False) as stream:
        async for _ in stream:
            began_s = began_s or time.perf_counter()
            count += 1
            if count == ticks:
                break
        took_s = time.perf_counter() - began_s
    return ticks / took_s


if __name__ == "__main__":
    print(asyncio.run(_read(int(sys.argv[1]), int(sys.argv[2]))))
