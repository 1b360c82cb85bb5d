"""Node, npm packages for it, and the modules of feed/web as it can import them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "feed" / "web"
LIMIT_S = 30
COMPILER = ["--strict", "--target", "es2023", "--module", "esnext", "--lib"]
COMPILER += ["es2023,dom,dom.iterable"]


def node() -> str:
    """Give the program, or skip."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs node")
    return found


def has_websocket(*flags: str) -> bool:
    """Tell whether node has a WebSocket of its own: since 22, and in 20.10 behind a flag."""
    asked = [node(), *flags, "--eval", "process.exit(globalThis.WebSocket ? 0 : 1)"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def install(folder: Path, *packages: str) -> None:
    """Install npm packages in a folder outside the repository, or skip."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    options = ["--no-audit", "--no-fund", "--fetch-timeout=10000", "--fetch-retries=0"]
    installed = subprocess.run(
        [npm, "install", *options, *packages],
        cwd=folder, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    if installed.returncode:
        pytest.skip(f"npm could not install {packages}: {installed.stderr.strip()[-200:]}")


class Script:
    """A node process that answers each line of JSON by one.

    Its source is the body of a function of `asked`, with a module of feed/web as `own`.
    """

    def __init__(self, module: str, body: str) -> None:
        source = (
            f"import * as own from {json.dumps((WEB / module).as_uri())};\n"
            'import { createInterface } from "node:readline";\n'
            f"const answer = async (asked) => {{ {body} }};\n"
            "for await (const line of createInterface({ input: process.stdin }))\n"
            "  console.log(JSON.stringify((await answer(JSON.parse(line))) ?? null));\n"
        )
        self._process = subprocess.Popen(
            [node(), "--input-type=module", "--eval", source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, asked: Any) -> Any:
        """Send a value, and give the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "node has ended; its stderr says why"
        return json.loads(line)

    def end(self) -> None:
        """Let the process end."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(LIMIT_S)
