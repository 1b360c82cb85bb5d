"""`make load`: start a feed, run scenarios against it one after the other, and print one table."""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.machine import free_port

HERE: Final = Path(__file__).resolve().parent
RESULTS: Final = HERE.parent / "build" / "load"
SCENARIOS: Final = (
    "watchlists",
    "firehose",
    "slow_consumers",
    "reconnect_storm",
    "publishers",
    "churn",
    "market_open",
)
STOP_LIMIT_S: Final = 40.0


def main() -> int:
    """Run what was asked for; gives 1 when any run was bad."""
    options = arguments()
    scenarios = options.scenario or SCENARIOS
    head = ("scenario", "users", "ticks/s", "p50 ms", "p99 ms", "CPU Locust, feed", "verdict")
    table = Table(*head)
    codes = []
    with feed(options) as url:
        for scenario in scenarios:
            done = locust(scenario, url, options)
            codes.append(done.returncode)
            print(done.stdout)
            table.add_row(*row(scenario, done))
    console = Console()
    console.print(table)
    print(f"tables, charts and histograms: {os.path.relpath(RESULTS)}")
    return max(codes)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what `make load` passes on."""
    parser = argparse.ArgumentParser(prog="python -m locustfiles", description=__doc__)
    option = parser.add_argument
    option("--scenario", action="append", choices=SCENARIOS, help="one of them (default: all)")
    option("--users", type=int, default=50, metavar="N")
    option("--minutes", type=float, default=0.2, metavar="N", help="of each scenario")
    option("--rate", type=float, default=250.0, metavar="N", help="ticks/s that the feed publishes")
    option("--symbols", type=int, default=500, metavar="N")
    option("--processes", type=int, default=1, metavar="N", help="load generators")
    option("locust", nargs="*", help="after --: options for Locust, such as --max-p99-ms 50")
    return parser.parse_args(words)


@contextmanager
def feed(options: argparse.Namespace) -> Iterator[str]:
    """Serve a simulated market on a free port; gives the address of the stream."""
    command = [sys.executable, "-m", "feed", "serve", "--port", "0", "--log-level", "warning"]
    command += ["--simulate", str(options.symbols), "--rate", str(options.rate)]
    process = subprocess.Popen(
        [*command, "--anonymous-publish", "*", "--anonymous-admin"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "(stream " not in line:
            sys.exit("the feed did not start")
        yield line.split("(stream ")[1].rstrip(")\n")
    finally:
        process.terminate()
        process.wait(STOP_LIMIT_S)


def locust(
    scenario: str, url: str, options: argparse.Namespace
) -> subprocess.CompletedProcess[str]:
    """Run one scenario to its end."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    prefix = RESULTS / scenario
    for old in RESULTS.glob(f"{scenario}_*.csv"):
        old.unlink()
    seconds = round(60 * options.minutes)
    command = [sys.executable, "-m", "locust", "-f", str(HERE / f"{scenario}.py"), "--headless"]
    command += ["--host", url, "--users", str(options.users), "--run-time", f"{seconds}s"]
    command += ["--spawn-rate", str(max(1, options.users / 5)), "--only-summary"]
    command += ["--csv", str(prefix), "--html", f"{prefix}.html", "--loglevel", "WARNING"]
    if options.processes > 1:
        port = str(free_port())
        command += ["--processes", str(options.processes)]
        command += ["--master-bind-port", port, "--master-port", port]
    if scenario == "market_open":
        command += ["--drive-sources", "yes"]
    return subprocess.run(
        [*command, *options.locust], stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=False
    )


def row(scenario: str, done: subprocess.CompletedProcess[str]) -> list[str]:
    """Give one run's row of the table."""
    told, latency = counts(scenario), percentiles(scenario).get("tick latency", {})
    cpu = sum(share for name, share in told.items() if name.startswith("cpu "))
    bad = [line for line in done.stdout.splitlines() if line.startswith("bad: ")]
    return [
        scenario,
        f"{told.get('users', 0):,.0f}",
        f"{told.get('ticks_per_s', 0):,.0f}",
        f"{latency.get('p50_ms', 0):,.2f}",
        f"{latency.get('p99_ms', 0):,.2f}",
        f"{cpu:.0%} {told.get('server cpu', 0):.0%}",
        ", ".join(line.split(": ")[1] for line in bad) or "good",
    ]


def counts(scenario: str) -> dict[str, float]:
    """Read what the last run of a scenario counted."""
    return {own["what"]: float(own["count"]) for own in _read(scenario, "counts")}


def percentiles(scenario: str) -> dict[str, dict[str, float]]:
    """Read the percentiles of the last run of a scenario, in ms, by figure."""
    rows = _read(scenario, "percentiles")
    return {row.pop("figure"): {name: float(own) for name, own in row.items()} for row in rows}


def _read(scenario: str, kind: str) -> list[dict[str, str]]:
    """Read one of the files of a run; nothing when it did not come to that."""
    path = RESULTS / f"{scenario}_{kind}.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    sys.exit(main())
