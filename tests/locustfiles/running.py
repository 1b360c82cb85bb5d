"""Locust in a process of its own: importing it would patch this one."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.machine import free_port
from tests.integration.running import ROOT, environment

LIMIT_S = 50.0
SECONDS = 5


def installed() -> None:
    """Skip a test where there is no Locust."""
    if importlib.util.find_spec("locust") is None:
        pytest.skip("the extra 'load' is not installed")


def own_master() -> list[str]:
    """Give the options that let a run with processes meet at a port of its own."""
    port = str(free_port())
    return ["--master-bind-port", port, "--master-port", port]


@dataclass
class Done:
    """A run that has ended.

    Attributes:
        counts: of PREFIX_counts.csv.
        percentiles: of PREFIX_percentiles.csv, in ms, by figure.
        stats: of Locust's own CSV, by name.
    """

    code: int
    out: str
    log: str
    counts: dict[str, float]
    percentiles: dict[str, dict[str, float]]
    stats: dict[str, dict[str, str]]

    @property
    def verdict(self) -> list[str]:
        """The lines that say what is bad, or that all is good."""
        return [line for line in self.out.splitlines() if line.startswith(("bad: ", "good: "))]


class Running:
    """A run that has begun."""

    def __init__(self, scenario: str, url: str, prefix: Path, *options: str, users: int) -> None:
        installed()
        self._prefix = prefix
        file = ROOT / "locustfiles" / f"{scenario}.py"
        command = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "-H", url]
        command += ["-u", str(users), "-r", "100", "-t", f"{SECONDS}s", "--only-summary"]
        command += own_master()
        self.process = subprocess.Popen(
            [*command, "--csv", str(prefix), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment(),
        )

    def end(self) -> Done:
        """Wait for its end."""
        try:
            out, log = self.process.communicate(timeout=LIMIT_S)
        finally:
            self.kill()
        assert "Traceback" not in log, log
        assert self._path("counts").exists(), log
        return Done(
            self.process.returncode,
            out,
            log,
            {row["what"]: float(row["count"]) for row in self._rows("counts")},
            {row.pop("figure"): _numbers(row) for row in self._rows("percentiles")},
            {row["Name"]: row for row in self._rows("stats")},
        )

    def kill(self) -> None:
        """End it, whatever it does; afterwards nothing of it is left."""
        self.process.kill()
        self.process.communicate()

    def _path(self, kind: str) -> Path:
        return Path(f"{self._prefix}_{kind}.csv")

    def _rows(self, kind: str) -> list[dict[str, str]]:
        with self._path(kind).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def locust(scenario: str, url: str, folder: Path, *options: str, users: int = 5) -> Done:
    """Run a scenario for some seconds."""
    return Running(scenario, url, folder / scenario, *options, users=users).end()


def _numbers(row: dict[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items()}
