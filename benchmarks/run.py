"""Run the benchmark: `python -m benchmarks.run [--quick] [--only W1 W3] [--peers feed bun floor]`.

Rounds are interleaved: each server is measured once before any is measured again, so that a machine
that gets slower or busier does so for all. Results go to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

from benchmarks import build, connections, ingest, notebook, plots, reading, report
from benchmarks.machine import HERE, RESULTS, ROOT, describe
from benchmarks.report import Record
from benchmarks.search import search
from benchmarks.servers import BY_NAME, SERVERS, Server
from benchmarks.shot import Shot, ShotFailed, quicker, shoot
from benchmarks.workloads import WORKLOADS, Workload

OTHERS = ("memory", "comeback", "growth", "ingest", "client", "notebook")
PARTS = (*(own.name for own in WORKLOADS), *OTHERS)
QUICK_PARTS = ("W1", "W2", "W3", "W5", "W6", "memory", "ingest", "client", "notebook")
QUICK_PEERS = ("feed", "feed-batch", "bun", "floor")
DOCUMENT = ROOT / "docs" / "PERFORMANCE.md"


@dataclass(slots=True)
class Run:
    """The state of one run.

    Attributes:
        quick: shorter windows, coarser searches, fewer connections.
        records: what was found so far.
        rates: the best rate of each workload and server, where the next round begins.
    """

    quick: bool
    records: list[Record] = field(default_factory=list)
    rates: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, part: str, server: str, work: Callable[[], Record]) -> None:
        """Do one piece of work and keep what it finds, or why it found nothing."""
        try:
            found = work()
        except (ShotFailed, subprocess.SubprocessError) as error:
            found = {"failed": str(error)}
        load = os.getloadavg()[0]
        self.records.append({"part": part, "server": server, "load_average": load} | found)

    def workload(self, workload: Workload, server: Server) -> Record:
        """Measure a server at a workload, in the way of its kind."""
        return (self._top if workload.kind == "top" else self._fixed)(workload, server)

    def _top(self, workload: Workload, server: Server) -> Record:
        key = workload.name, server.name
        found = search(
            partial(self._shoot, workload, server),
            self.rates.get(key) or workload.first_rate(server),
            resolution=1.3 if self.quick else 1.06,
            tries=4 if self.quick else 12,
        )
        if found.best is None:
            raise ShotFailed(f"no rate was held in {found.tried} tries")
        self.rates[key] = found.best.rate
        figures = {"client_limited": found.client_limited, "tried": found.tried}
        return _figures(found.best) | figures

    def _fixed(self, workload: Workload, server: Server) -> Record:
        shot = self._shoot(workload, server, workload.rate)
        return _figures(shot) | {"latency_us": shot.result["latency_us"]}

    def _shoot(self, workload: Workload, server: Server, rate: float) -> Shot:
        load = quicker(workload.load, 0.4) if self.quick else workload.load
        return shoot(server, workload.job(rate), load)


def _figures(shot: Shot) -> Record:
    kept = {name: value for name, value in shot.result.items() if name != "latency_us"}
    return {"rate": shot.rate, "held": shot.held} | kept


Step = tuple[str, Callable[[], None]]


def steps(run: Run, parts: list[str], peers: list[Server], rounds: int) -> Iterator[Step]:
    """Give what is to be done, in order, each with what a progress line calls it."""
    for number in range(1, rounds + 1):
        for workload in WORKLOADS:
            if workload.name in parts:
                yield from _workload_steps(run, workload, peers, number)
        yield from _other_steps(run, parts, peers)
    if "growth" in parts:
        yield from _growth_steps(run, peers)


def _workload_steps(
    run: Run, workload: Workload, peers: list[Server], number: int
) -> Iterator[Step]:
    for server in peers:
        if not workload.only or server.name in workload.only:
            work = partial(run.workload, workload, server)
            label = f"{workload.name} {server.name}, round {number}"
            yield label, partial(run.note, workload.name, server.name, work)


def _other_steps(run: Run, parts: list[str], peers: list[Server]) -> Iterator[Step]:
    many = 1_000 if run.quick else 5_000
    if "memory" in parts:
        for server in peers:
            if server.name != "feed-batch":
                work = partial(connections.idle, server, many)
                yield f"memory {server.name}", partial(run.note, "memory", server.name, work)
    if "comeback" in parts:
        for server in (own for own in peers if own.name == "feed"):
            work = partial(connections.comeback, server, many)
            yield "comeback feed", partial(run.note, "comeback", server.name, work)
    if "ingest" in parts:
        yield "publish to nobody", partial(run.note, "ingest", "to nobody", ingest.publish)
        ticks = 500_000 if run.quick else 2_000_000
        work = partial(ingest.replay, ticks)
        yield "replay to one", partial(run.note, "ingest", "replay of Parquet to one client", work)
    if "client" in parts:
        ticks = 200_000 if run.quick else 1_000_000
        for title, reader in (("feed.client", "feed"), ("websockets and json", "websockets")):
            work = partial(reading.read, reader, ticks)
            yield f"reading with {title}", partial(run.note, "client", title, work)
    if "notebook" in parts:
        for figure, title in notebook.FIGURES.items():
            work = partial(notebook.measure, figure, 400_000 if run.quick else 1_000_000)
            yield f"notebook: {figure}", partial(run.note, "notebook", title, work)


def _growth_steps(run: Run, peers: list[Server]) -> Iterator[Step]:
    for curve in connections.CURVES:
        sizes = curve.sizes[:3] if run.quick else curve.sizes
        for size in sizes:
            for server in (own for own in connections.GROWING if own in peers):
                work = partial(curve.point, server, size)
                label = f"growth of {curve.name} to {size:,}, {server.name}"
                yield label, partial(run.note, f"growth-{curve.name}", server.name, work)


def carry_out(work: list[Step]) -> bool:
    """Do every step under a progress bar; gives False when Ctrl-C ended it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(work))
        try:
            for label, step in work:
                progress.update(task, description=f"{label:32}")
                step()
                progress.advance(task)
        except KeyboardInterrupt:
            return False
    return True


def write(run: Run, machine: dict[str, str], *, publish: bool) -> str:
    """Write JSON, Markdown and plots; gives the Markdown."""
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    everything = {"machine": machine, "records": run.records}
    (RESULTS / f"{stamp}.json").write_text(json.dumps(everything), encoding="utf-8")
    figures = report.markdown(machine, run.records)
    (RESULTS / "latest.md").write_text(figures, encoding="utf-8")
    try:
        plots.draw(run.records, RESULTS)
    except ImportError:
        print("no plots: matplotlib is missing (pip install 'feed[bench]')", file=sys.stderr)
    if publish:
        small = {"machine": machine, "medians": report.summary(run.records)}
        text = json.dumps(small, indent=1) + "\n"
        (RESULTS / "summary.json").write_text(text, encoding="utf-8")
        old = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(report.insert(old, figures), encoding="utf-8")
    return figures


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.run", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="indicative figures within 2 minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument(
        "--peers", nargs="+", choices=tuple(BY_NAME), metavar="SERVER", help=", ".join(BY_NAME)
    )
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="default 3; 1 if quick")
    parser.add_argument(
        "--publish", action="store_true", help="put the figures into docs/PERFORMANCE.md"
    )
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> tuple[list[str], list[Server], int]:
    """Give the parts, the servers and the rounds that the command line asks for."""
    parts = options.only or (QUICK_PARTS if options.quick else PARTS)
    names = options.peers or (QUICK_PEERS if options.quick else tuple(BY_NAME))
    rounds = options.rounds or (1 if options.quick else 3)
    return list(parts), [server for server in SERVERS if server.name in names], rounds


def main() -> int:
    """Run; gives the exit code."""
    options = arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # children inherit it
    parts, peers, rounds = chosen(options)
    kind = "quick: coarse and indicative" if options.quick else "full"
    machine = describe() | {"run": f"{kind}, rounds: {rounds}"}
    build.client_command()
    if any(server.name not in ("feed", "feed-batch", "floor") for server in peers):
        build.install_peers()
    run = Run(options.quick)
    whole = carry_out(list(steps(run, parts, peers, rounds)))
    print(write(run, machine, publish=options.publish and whole))
    print(f"all of it: {RESULTS.relative_to(HERE.parent)}/", file=sys.stderr)
    return 0 if whole else 130


def _interrupt(_signal: int, _frame: FrameType | None) -> Any:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
