"""A step of the build: the wheel gets the types of feed.js as TypeScript knows them, feed.d.ts.

They are made by the compiler from npm and never committed. Where npm cannot be had the wheel goes
without them, and says so: nothing of feed needs them.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

from setuptools.command.build_py import build_py

PACKAGE = "typescript@7.0.2"
OPTIONS = [
    "--strict", "--allowJs", "--declaration", "--emitDeclarationOnly", "--target", "es2023",
    "--module", "esnext", "--lib", "es2023,dom,dom.iterable",
]  # fmt: skip
LIMIT_S = 60

log = logging.getLogger(__name__)


class BuildPy(build_py):
    """Copies the package, and declares the types of its JavaScript beside it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            declare(Path(self.build_lib) / "feed" / "web")


def declare(folder: Path) -> None:
    """Write `feed.d.ts` beside the `feed.js` of a folder, or say why not."""
    npm = shutil.which("npm")
    if npm is None:
        return log.warning("feed.d.ts is left out of the wheel: npm is not installed")
    compiler = [npm, "exec", "--yes", "--fetch-retries=0", "--fetch-timeout=10000"]
    command = [*compiler, f"--package={PACKAGE}", "--", "tsc", *OPTIONS, "--outDir", "."]
    try:
        subprocess.run(
            [*command, "feed.js"],
            cwd=folder, check=True, capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        told = (getattr(error, "stderr", None) or str(error)).strip()[-200:]
        log.warning("feed.d.ts is left out of the wheel: %s", told)
