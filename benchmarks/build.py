"""Everything that must exist before a run: compiled C, and the peers' packages in a folder here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import BUILD, HERE, PEERS

PYTHON_PACKAGES = ("socketify", "picows", "uvloop", "websockets", "aiohttp", "tornado>=6.6.1,<6.7")
NODE_PACKAGES = ("bun", "ws")
INSTALL_LIMIT_S = 300


def compiled(source: Path) -> Path | None:
    """Compile one C file, unless that was done already; None without a compiler."""
    binary = BUILD / source.stem
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return binary
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    BUILD.mkdir(exist_ok=True)
    command = [compiler, "-O3", "-march=native", "-Wall", "-Wextra", "-o", str(binary), str(source)]
    return binary if _succeeds(command) else None


def client_command() -> list[str]:
    """Give the load client's command: the compiled one, else the lean Python one."""
    binary = compiled(HERE / "client.c")
    return [str(binary)] if binary else [sys.executable, str(HERE / "client.py")]


def install_peers() -> None:
    """Install what the peers need, once; what cannot be had is reported later as absent."""
    PEERS.mkdir(exist_ok=True)
    stamp = PEERS / "installed"
    wanted = " ".join((*PYTHON_PACKAGES, *NODE_PACKAGES))
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print("installing the peers into benchmarks/.peers (once) ...", file=sys.stderr)
    if _succeeds([sys.executable, "-m", "venv", str(PEERS / "venv")]):
        for package in PYTHON_PACKAGES:
            _succeeds([str(peers_python()), "-m", "pip", "install", "-q", package])
    npm = shutil.which("npm")
    if npm is not None:
        _succeeds([npm, "install", "--no-save", "--prefix", str(PEERS), *NODE_PACKAGES])
    stamp.write_text(wanted, encoding="utf-8")


def peers_python() -> Path:
    """Give the Python that has the peers' packages."""
    return PEERS / "venv" / "bin" / "python"


def bun() -> Path | None:
    """Find bun, preferring the one of npm's platform package: it needs no installation step."""
    modules = PEERS / "node_modules"
    for found in (*sorted(modules.glob("@oven/bun-*/bin/bun")), modules / ".bin" / "bun"):
        if os.access(found, os.X_OK) and _succeeds([str(found), "--version"]):
            return found
    return None


def python_has(module: str) -> bool:
    """Say whether the peers' Python can import a module."""
    python = peers_python()
    return python.exists() and _succeeds([str(python), "-c", f"import {module}"])


def _succeeds(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=INSTALL_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    if done.returncode and command[0].endswith("cc"):
        sys.stderr.buffer.write(done.stderr)
    return done.returncode == 0
