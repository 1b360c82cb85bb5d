"""The end of a run in words, and its percentiles and histograms as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from locustfiles.crosscheck import Served
from locustfiles.tally import COUNTS, Tally
from locustfiles.verdict import BOTTLENECK, Verdict

SHARES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def describe(tally: Tally, verdict: Verdict, users: int, served: Served) -> Iterator[str]:
    """Say in some lines what was measured, and whether it is good."""
    yield f"ticks/s {tally.rate:,.0f}, {tally.rate / users if users else 0.0:,.1f} for each user"
    yield "  ".join(f"{name.replace('_', ' ')} {getattr(tally, name):,}" for name in COUNTS)
    for name, histogram in sorted(tally.histograms.items()):
        figures = "  ".join(
            f"{label} {histogram.percentile_ms(share):,.2f}" for label, share in SHARES.items()
        )
        yield f"{name} ms: {figures}  ({histogram.total:,})"
    for name, load in sorted(tally.loads.items()):
        cpu = load.cpu_s / load.wall_s if load.wall_s else 0.0
        lag_ms = load.lag.percentile_ms(0.99)
        memory = f"{load.most_bytes / 2**20:,.0f} MiB"
        yield f"{name}: {cpu:.0%} of a core, {memory}, its loop late by {lag_ms:,.1f} ms (p99)"
        yield f"{name}: clock offset of the server: {load.offset or 'not known'}"
    if served.rss_bytes:
        yield f"server: {served.cpu:.0%} of a core, {served.rss_bytes / 2**20:,.0f} MiB at the end"
    yield served.told
    yield from (f"bad: {text}" for text in verdict.bad)
    if verdict.doubts:
        yield f"{BOTTLENECK}: latencies and faults may be its own"
    yield from (f"  {text}" for text in verdict.doubts)
    if verdict.good:
        yield "good: every seq is accounted for, and every threshold is kept"


def write(tally: Tally, users: int, served: Served, prefix: str) -> None:
    """Write PREFIX_percentiles.csv, PREFIX_histograms.csv and PREFIX_counts.csv."""
    _write(Path(f"{prefix}_percentiles.csv"), _percentiles(tally))
    _write(Path(f"{prefix}_histograms.csv"), _histograms(tally))
    _write(Path(f"{prefix}_counts.csv"), _counts(tally, users, served))


def _write(path: Path, rows: Iterator[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _percentiles(tally: Tally) -> Iterator[list[object]]:
    yield ["figure", "count", *(f"{label}_ms" for label in SHARES)]
    for name, histogram in sorted(tally.histograms.items()):
        figures = (f"{histogram.percentile_ms(share):.4f}" for share in SHARES.values())
        yield [name, histogram.total, *figures]


def _histograms(tally: Tally) -> Iterator[list[object]]:
    yield ["figure", "from_us", "to_us", "count"]
    for name, histogram in sorted(tally.histograms.items()):
        for low_ns, high_ns, count in histogram.buckets():
            yield [name, low_ns / 1e3, high_ns / 1e3, count]


def _counts(tally: Tally, users: int, served: Served) -> Iterator[list[object]]:
    yield ["what", "count"]
    yield ["users", users]
    for name in COUNTS:
        yield [name, getattr(tally, name)]
    yield ["ticks_per_s", f"{tally.rate:.1f}"]
    for code, count in sorted(tally.codes.items()):
        yield [f"closed {code}", count]
    for name, count in sorted(tally.faults.items()):
        yield [f"fault {name}", count]
    for name, load in sorted(tally.loads.items()):
        yield [f"cpu {name}", f"{load.cpu_s / (load.wall_s or 1.0):.4f}"]
        yield [f"memory {name}", load.most_bytes]
    yield ["server cpu", f"{served.cpu:.4f}"]
    yield ["server memory", served.rss_bytes]
