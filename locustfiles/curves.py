"""The curves of docs/LOAD.md, measured anew: `python -m locustfiles.curves`, ten minutes.

They are worth what the machine was worth while it measured: let nothing else run.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

from locustfiles.__main__ import HERE, arguments, counts, feed, locust, percentiles

DOCS: Final = HERE.parent / "docs"
USERS: Final = (100, 250, 500, 1000, 2000)
RATES: Final = (500, 1000, 2000, 4000, 6000, 8000)
FIREHOSES: Final = 10

Lines = tuple[str, dict[str, list[float]]]
Point = dict[str, float | str]


def main() -> None:
    """Measure, write docs/load-curves.csv, and draw."""
    options = argparse.ArgumentParser(prog="python -m locustfiles.curves", description=__doc__)
    options.add_argument("--draw-only", action="store_true", help="from the CSV that is there")
    path = DOCS / "load-curves.csv"
    if not options.parse_args().draw_only:
        points = [*_by_users(), *_by_rate()]
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(points[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(points)
    with path.open(newline="", encoding="utf-8") as file:
        draw(list(csv.DictReader(file)))


def _by_users() -> Iterator[Point]:
    for users in USERS:
        yield _point("watchlists", "users", users, ["--users", str(users), "--rate", "250"])


def _by_rate() -> Iterator[Point]:
    for batch in ("no", "yes"):
        for rate in RATES:
            words = ["--users", str(FIREHOSES), "--rate", str(rate), "--", "--batch", batch]
            yield _point("firehose", f"batch {batch}", rate, words)


def _point(scenario: str, curve: str, size: float, words: list[str]) -> Point:
    options = arguments(["--scenario", scenario, "--minutes", "0.4", *words])
    with feed(options) as url:
        done = locust(scenario, url, options)
    told, latency = counts(scenario), percentiles(scenario)["tick latency"]
    print(curve, size, *[line for line in done.stdout.splitlines() if "bad: " in line], sep="  ")
    return {
        "curve": curve,
        "size": size,
        "users": told["users"],
        "ticks_per_s": told["ticks_per_s"],
        "p50_ms": latency["p50_ms"],
        "p99_ms": latency["p99_ms"],
        "generator_cpu": told["cpu locust"],
        "server_cpu": told["server cpu"],
        "generator_mib": round(told["memory locust"] / 2**20, 1),
        "server_mib": round(told["server memory"] / 2**20, 1),
        "verdict": "good" if done.returncode == 0 else "bad",
    }


def draw(points: list[dict[str, str]]) -> None:
    """Draw the curves into docs/."""
    import_module("matplotlib").use("Agg")
    users = _columns(points, "users")
    memory = "MiB", {"server": users["server_mib"], "Locust": users["generator_mib"]}
    across = "users with a watchlist each"
    _plot("load-users.svg", across, users["size"], _latency(users), _cost(users), memory)
    for batch in ("no", "yes"):
        own = _columns(points, f"batch {batch}")
        across = f"ticks/s to {FIREHOSES} users of everything, --batch {batch}"
        _plot(f"load-batch-{batch}.svg", across, own["ticks_per_s"], _latency(own), _cost(own))


def _latency(own: dict[str, list[float]]) -> Lines:
    return "latency, ms", {"p50": own["p50_ms"], "p99": own["p99_ms"]}


def _cost(own: dict[str, list[float]]) -> Lines:
    """Give CPU time per tick: of all figures the one that a busy machine spoils least."""
    names = {"server": "server_cpu", "Locust": "generator_cpu"}
    return "CPU µs per tick", {
        label: [1e6 * cpu / rate for cpu, rate in zip(own[name], own["ticks_per_s"], strict=True)]
        for label, name in names.items()
    }


def _columns(points: list[dict[str, str]], curve: str) -> dict[str, list[float]]:
    rows = [point for point in points if point["curve"] == curve]
    names = [name for name in points[0] if name not in ("curve", "verdict")]
    return {name: [float(row[name]) for row in rows] for name in names}


def _plot(name: str, across: str, sizes: list[float], *parts: Lines) -> None:
    pyplot = import_module("matplotlib.pyplot")
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "feed"})
    figure, axes = pyplot.subplots(
        1, len(parts), figsize=(4 * len(parts), 3.2), layout="constrained"
    )
    for own, (up, lines) in zip(axes, parts, strict=True):
        for label, values in lines.items():
            own.plot(sizes, values, marker="o", label=label)
        own.set(xlabel=across, ylabel=up, ylim=(0, None))
        own.grid(visible=True, alpha=0.3)
        own.legend()
    figure.savefig(Path(DOCS) / name, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    main()
