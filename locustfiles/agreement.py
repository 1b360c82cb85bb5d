"""Locust's figures beside those of benchmarks/client.c, a load client that shares no line with it.

`python -m locustfiles.agreement` takes six minutes, and is worth what the machine was worth then.

Both take the same load from the same feed, each alone, one after the other, and then both at once.
The latency of a tick is until it arrived, as the kernel tells both of them; until it was read it is
a matter of who reads, and the other client has little else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from benchmarks.build import client_command
from locustfiles.__main__ import arguments, counts, feed, locust, percentiles

SYMBOLS: Final = 40
"""Few, as some tick more often than others: with half of them each user has about the same."""

PER_USER: Final = 20
WARM_S: Final = 4
Load = tuple[str, int, int, tuple[str, ...]]
"""Scenario, users, ticks/s that the feed publishes, options of the scenario."""

LOADS: Final[tuple[Load, ...]] = (
    ("watchlists", 50, 500, ("--acts-per-s", "0.0001")),
    ("watchlists", 500, 40, ("--acts-per-s", "0.0001")),
    ("firehose", 10, 1000, ()),
    ("firehose", 10, 4000, ()),
)


class Figures(NamedTuple):
    """What one client measured; latencies in ms."""

    ticks_per_s: float
    p50: float
    p99: float
    read_p50: float
    read_p99: float


def main() -> None:
    """Measure, and print a table of each load."""
    parser = argparse.ArgumentParser(
        prog="python -m locustfiles.agreement", description=__doc__.partition("\n\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--seconds", type=int, default=10, metavar="S", help="of each run (default: %(default)s)"
    )
    given = parser.parse_args()
    for load in LOADS:
        show(load, compare(*load, rounds=given.rounds, seconds=given.seconds))


def show(load: Load, found: dict[str, list[Figures]]) -> None:
    """Print the medians of what both clients measured under one load."""
    scenario, users, rate, _ = load
    head = ("", "ticks/s", "p50 ms", "p99 ms", "as read: p50", "p99")
    busy = f"load average {os.getloadavg()[0]:.1f}"
    table = Table(*head, title=f"{users} users of {scenario}, {rate:,} ticks/s of the feed, {busy}")
    for name, figures in found.items():
        cells = [f"{own:,.3f}" if own < 100 else f"{own:,.0f}" for own in _medians(figures)]
        table.add_row(name, *cells)
    Console(width=100).print(table)


def compare(
    scenario: str, users: int, rate: int, extra: tuple[str, ...], *, rounds: int, seconds: int
) -> dict[str, list[Figures]]:
    """Let both clients take the same load, alone and together, again and again."""
    words = ["--scenario", scenario, "--users", str(users), "--rate", str(rate)]
    words += ["--symbols", str(SYMBOLS), "--minutes", str((seconds + WARM_S) / 60), "--"]
    words += [
        "--reset-stats",
        "--delayed-ms",
        "60000",
        "--spawn-rate",
        str(users),
        "--zipf",
        "0",
        *extra,
    ]
    options = arguments(words)
    found: dict[str, list[Figures]] = {}
    with feed(options) as url, ThreadPoolExecutor(1) as pool:
        for _ in range(rounds):
            found.setdefault("Locust alone", []).append(_locust(scenario, url, options))
            found.setdefault("the other alone", []).append(_other(scenario, url, users, seconds))
            other = pool.submit(_other, scenario, url, users, seconds)
            found.setdefault("Locust beside it", []).append(_locust(scenario, url, options))
            found.setdefault("the other beside it", []).append(other.result())
    return found


def _locust(scenario: str, url: str, options: argparse.Namespace) -> Figures:
    done = locust(scenario, url, options)
    if done.returncode:
        sys.exit(done.stdout)
    own = percentiles(scenario)
    latency, as_read = own["tick latency"], own["tick latency as read"]
    rate = counts(scenario)["ticks_per_s"]
    return Figures(rate, latency["p50_ms"], latency["p99_ms"], as_read["p50_ms"], as_read["p99_ms"])


def _other(scenario: str, url: str, users: int, seconds: int) -> Figures:
    command = [*client_command(), "--port", str(urlsplit(url).port), "--clients", str(users)]
    command += ["--symbols", str(SYMBOLS), "--per", str(PER_USER), "--channels", "quotes,trades"]
    command += ["--wildcard", str(int(scenario == "firehose")), "--snapshot", "1"]
    command += ["--warm-s", str(WARM_S), "--measure-s", str(seconds), "--arrivals", "1"]
    own = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    faults = {name: own[name] for name in ("holes", "duplicates", "errors", "lost") if own[name]}
    if faults:
        sys.exit(f"the other client found {faults}")
    latencies = ("arrived_p50_us", "arrived_p99_us", "p50_us", "p99_us")
    return Figures(own["ticks_per_s"], *(own[name] / 1e3 for name in latencies))


def _medians(figures: list[Figures]) -> list[float]:
    return [median(column) for column in zip(*figures, strict=True)]


if __name__ == "__main__":
    main()
