"""The machine of a run: what it is, how busy it was, and which core does what."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from pathlib import Path

from feed import __version__

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"
BUILD = HERE / ".build"
PEERS = HERE / ".peers"
RESULTS = HERE / "results"

SERVER_CORE, CLIENT_CORE = 0, 1


def pinned(core: int) -> list[str]:
    """Give the words before a command that keep it on one core; none where that cannot be done."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) <= core:
        return []
    return ["taskset", "-c", str(core)]


def free_port() -> int:
    """Find a port of the loopback that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def describe() -> dict[str, str]:
    """Say what a reader must know of the machine to judge the figures."""
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "feed": __version__,
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load average at the start": load,
        "pinning": "server on one core, client on another" if pinned(CLIENT_CORE) else "none",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")
