"""What a run found, as Markdown: medians of the rounds, least and most, and ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from benchmarks import servers, workloads
from benchmarks.connections import CURVES

Record = dict[str, Any]
"""One finding: its `part` (such as W1 or memory), `server` where there is one, and figures."""

BUSY_SHARE = 0.1
"""Who waits for a core longer than this shares it with somebody who is no part of the benchmark."""

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def markdown(machine: dict[str, str], records: list[Record]) -> str:
    """Write everything that was measured."""
    parts = [_machine(machine)]
    for workload in workloads.WORKLOADS:
        rows = _of(records, workload.name)
        if rows:
            table = _top_table if workload.kind == "top" else _fixed_table
            parts.append(f"### {workload.name} {workload.title}\n\n{table(rows)}")
    for part, title, table in (
        ("memory", "Idle connections, and the time until all are subscribed", _memory_table),
        ("comeback", "Clients that come back, and those who stayed", _comeback_table),
        ("ingest", "Ticks in", _rate_table),
        ("client", "Reading in Python", _rate_table),
        ("notebook", "In a notebook", _figure_table),
    ):
        rows = _of(records, part)
        if rows:
            parts.append(f"### {title}\n\n{table(rows)}")
    parts.extend(_curves(records))
    return "\n\n".join(parts) + "\n"


def insert(document: str, figures: str) -> str:
    """Put the figures between the marks of a document."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{figures}\n{END}{tail}"


def summary(records: list[Record]) -> dict[str, dict[str, Any]]:
    """Give the medians of the workloads, by workload and server: small enough to be kept."""
    found: dict[str, dict[str, Any]] = {}
    for workload in workloads.WORKLOADS:
        for name, rows in _by_server(_of(records, workload.name)).items():
            good = [row for row in rows if "ticks_per_s" in row]
            if good:
                kept = ("ticks_per_s", "cpu_us_per_tick", "p50_us", "p99_us", "server_cpu")
                medians = {key: round(median(row[key] for row in good), 4) for key in kept}
                found.setdefault(workload.name, {})[name] = medians
    return found


def _machine(machine: dict[str, str]) -> str:
    return table(("machine", ""), ([name, value] for name, value in machine.items()))


def _of(records: list[Record], part: str) -> list[Record]:
    return [record for record in records if record["part"] == part]


def _by_server(records: list[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["server"], []).append(record)
    return found


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Lay out a Markdown table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(values: list[float], show: Callable[[float], str]) -> str:
    """Show the median, and least and most where they differ."""
    low, middle, high = show(min(values)), show(median(values)), show(max(values))
    return middle if low == high else f"{middle} ({low} to {high})"


def _rows(records: list[Record], cells: Callable[[list[Record]], list[str]]) -> list[list[str]]:
    """Give a row for each server, in the order of the roster; one without figures says why."""
    rows = []
    groups = _by_server(records)
    for server in servers.SERVERS:
        own = groups.get(server.name, [])
        good = [record for record in own if "failed" not in record]
        if good:
            rows.append([server.title, *cells(good)])
        elif own:
            rows.append([server.title, own[0]["failed"]])
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _ratio(records: list[Record], figure: str, to: str) -> Callable[[list[Record]], str]:
    """Give how a row's median compares to another server's."""
    base = [row[figure] for row in records if row["server"] == to and figure in row]

    def cell(rows: list[Record]) -> str:
        if not base or not median(base):
            return "–"
        return f"{median(row[figure] for row in rows) / median(base):.2f}"

    return cell


def _top_table(records: list[Record]) -> str:
    bun, floor = (_ratio(records, "ticks_per_s", to) for to in ("bun", "floor"))
    heads = ("server", "delivered ticks/s", "× Bun", "× floor", "CPU µs per tick", "p99 ms", "note")

    def cells(rows: list[Record]) -> list[str]:
        return [
            _spread([row["ticks_per_s"] for row in rows], _count),
            bun(rows),
            floor(rows),
            _spread([row["cpu_us_per_tick"] for row in rows], lambda value: f"{value:.3f}"),
            f"{median(row['p99_us'] for row in rows) / 1000:.0f}",
            _note(rows),
        ]

    return table(heads, _rows(records, cells))


def _fixed_table(records: list[Record]) -> str:
    bun, floor = (_ratio(records, "cpu_us_per_tick", to) for to in ("bun", "floor"))
    heads = ("server", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs per tick", "× Bun", "× floor")

    def cells(rows: list[Record]) -> list[str]:
        latencies = [
            _spread([row[name] for row in rows], _count) for name in ("p50_us", "p99_us", "p999_us")
        ]
        cost = _spread([row["cpu_us_per_tick"] for row in rows], lambda value: f"{value:.2f}")
        share = f"{median(row['server_cpu'] for row in rows):.0%}"
        return [*latencies, cost, bun(rows), floor(rows), share, _note(rows)]

    return table((*heads, "of a core", "note"), _rows(records, cells))


def _note(rows: list[Record]) -> str:
    """Say what a reader must know before he believes a row."""
    waited = max(median(row[name] for row in rows) for name in ("client_waited", "server_waited"))
    told = {
        "not held": not all(row["held"] for row in rows),
        "client saturated: at least": any(row.get("client_limited") for row in rows),
        f"waited {waited:.0%} for a core": waited > BUSY_SHARE,
    }
    return ", ".join(text for text, true in told.items() if true)


def _memory_table(records: list[Record]) -> str:
    def cells(rows: list[Record]) -> list[str]:
        return [
            _spread([row["kib"] for row in rows], lambda value: f"{value:.1f}"),
            _spread([row["connect_s"] for row in rows], lambda value: f"{value:.2f}"),
            _count(rows[0]["clients"]),
        ]

    return table(("server", "KiB each", "s for all", "connections"), _rows(records, cells))


def _comeback_table(records: list[Record]) -> str:
    def cells(rows: list[Record]) -> list[str]:
        each_s = [row["clients"] / row["connect_s"] for row in rows]
        return [
            _spread(each_s, _count),
            _spread([row["p99_us"] / 1000 for row in rows], lambda value: f"{value:.1f}"),
        ]

    heads = ("server", "connect + subscribe + snapshot /s", "p99 ms of those who stayed")
    return table(heads, _rows(records, cells))


def _rate_table(records: list[Record]) -> str:
    rows = (
        [name, _spread([row["ticks_per_s"] for row in own], _count)]
        for name, own in _by_server(records).items()
        if all("ticks_per_s" in row for row in own)
    )
    return table(("what", "ticks/s"), rows)


def _figure_table(records: list[Record]) -> str:
    rows = (
        [name, _spread([row["figure"] for row in own], _figure)]
        for name, own in _by_server(records).items()
        if all("figure" in row for row in own)
    )
    return table(("what", "figure"), rows)


def _figure(value: float) -> str:
    return _count(value) if value >= 100 else f"{value:.1f}"


def _curves(records: list[Record]) -> Iterable[str]:
    for curve in CURVES:
        rows = _of(records, f"growth-{curve.name}")
        if rows:
            unit = "Server CPU µs per delivered tick."
            yield f"### Growth: {curve.title}\n\n{unit}\n\n{_curve(rows)}"


def _curve(records: list[Record]) -> str:
    sizes = sorted({record["size"] for record in records if "size" in record})

    def cells(rows: list[Record]) -> list[str]:
        return [_at(rows, size) for size in sizes]

    return table(("server", *map(_count, sizes)), _rows(records, cells))


def _at(rows: list[Record], size: int) -> str:
    costs = [row["cpu_us_per_tick"] for row in rows if row.get("size") == size]
    return f"{median(costs):.2f}" if costs else "–"


def _count(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    return f"{value:,.0f}"
