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
from locustfiles import options
from locustfiles.verdict import BOTTLENECK

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
    given = arguments()
    scenarios = given.scenario or SCENARIOS
    head = ("scenario", "users", "ticks/s", "p50 ms", "p99 ms", "CPU Locust, feed", "verdict")
    table = Table(*head, caption="doubtful: the load generator was the bottleneck, as told above")
    table.columns[0].no_wrap = True
    codes = []
    with feed(given) as url:
        for scenario in scenarios:
            done = locust(scenario, url, given)
            codes.append(done.returncode)
            print(done.stdout)
            table.add_row(*row(scenario, done))
    console = Console()
    console.print(table)
    print(f"tables, charts and histograms: {os.path.relpath(RESULTS)}")
    return max(codes)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what `make load` passes on."""
    parser = argparse.ArgumentParser(
        prog="python -m locustfiles",
        usage="%(prog)s [option ...] [-- option of a scenario, or of Locust ...]",
        description=__doc__,
        epilog=_scenario_options(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    names = ", ".join(SCENARIOS)
    option(
        "--scenario",
        action="append",
        choices=SCENARIOS,
        metavar="NAME",
        help=f"{names} (default: each of them)",
    )
    option("--users", type=int, default=50, metavar="N", help="at the same time (50)")
    option("--minutes", type=float, default=0.2, metavar="N", help="of each scenario (0.2)")
    option("--rate", type=float, default=250.0, metavar="N", help="ticks/s of the feed (250)")
    option("--symbols", type=int, default=500, metavar="N", help="that the feed has (500)")
    option("--processes", type=int, default=1, metavar="N", help="load generators (1)")
    option("locust", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def _scenario_options() -> str:
    """Describe what stands after `--`; Locust's own --help comes before it reads a scenario."""
    parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False)
    group = parser.add_argument_group("after --, for every scenario (docs/LOAD.md has the others)")
    options.declare(group, of_locust=False)
    return parser.format_help().strip()


@contextmanager
def feed(given: argparse.Namespace) -> Iterator[str]:
    """Serve a simulated market on a free port; gives the address of the stream."""
    command = [sys.executable, "-m", "feed", "serve", "--port", "0", "--log-level", "warning"]
    command += ["--simulate", str(given.symbols), "--rate", str(given.rate)]
    with subprocess.Popen(
        [*command, "--anonymous-publish", "*", "--anonymous-admin"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if "(stream " not in line:
                sys.exit("the feed did not start")
            yield line.split("(stream ")[1].rstrip(")\n")
        finally:
            process.terminate()
            process.wait(STOP_LIMIT_S)


def locust(scenario: str, url: str, given: argparse.Namespace) -> subprocess.CompletedProcess[str]:
    """Run one scenario to its end."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    prefix = RESULTS / scenario
    for old in RESULTS.glob(f"{scenario}_*.csv"):
        old.unlink()
    seconds = round(60 * given.minutes)
    command = [sys.executable, "-m", "locust", "-f", str(HERE / f"{scenario}.py"), "--headless"]
    command += ["--host", url, "--users", str(given.users), "--run-time", f"{seconds}s"]
    command += ["--spawn-rate", str(max(1, given.users / 5)), "--only-summary"]
    command += ["--csv", str(prefix), "--html", f"{prefix}.html", "--loglevel", "WARNING"]
    if given.processes > 1:
        port = str(free_port())
        command += ["--processes", str(given.processes)]
        command += ["--master-bind-port", port, "--master-port", port]
    if scenario == "market_open":
        command += ["--drive-sources", "yes"]
    return subprocess.run(
        [*command, *given.locust], stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=False
    )


def row(scenario: str, done: subprocess.CompletedProcess[str]) -> list[str]:
    """Give one run's row of the table."""
    told, latency = counts(scenario), percentiles(scenario).get("tick latency", {})
    cpu = sum(share for name, share in told.items() if name.startswith("cpu "))
    bad = [line for line in done.stdout.splitlines() if line.startswith("bad: ")]
    doubt = " (doubtful)" if BOTTLENECK in done.stdout else ""
    return [
        scenario,
        f"{told.get('users', 0):,.0f}",
        f"{told.get('ticks_per_s', 0):,.0f}",
        f"{latency.get('p50_ms', 0):,.2f}",
        f"{latency.get('p99_ms', 0):,.2f}",
        f"{cpu:.0%} {told.get('server cpu', 0):.0%}",
        (", ".join(line.split(": ")[1] for line in bad) or "good") + doubt,
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
