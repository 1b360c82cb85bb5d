"""The growth curves and the latency distributions as PNG, where matplotlib is installed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.connections import CURVES
from benchmarks.report import Record


def draw(records: list[Record], folder: Path) -> list[Path]:
    """Draw what there are records for.

    Raises:
        ImportError: matplotlib is missing (`pip install 'feed[bench]'`).
    """
    import_module("matplotlib").use("Agg")
    drawn = [_growth(records, curve.name, curve.title, folder) for curve in CURVES]
    drawn.append(_latencies(records, folder))
    return [path for path in drawn if path is not None]


def _figure(title: str, across: str, up: str) -> tuple[Any, Any]:
    figure, axes = import_module("matplotlib.pyplot").subplots(
        figsize=(7, 4.2), layout="constrained"
    )
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.grid(visible=True, which="major", alpha=0.3)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> Path:
    axes.legend()
    figure.savefig(path, dpi=120)
    import_module("matplotlib.pyplot").close(figure)
    return path


def _growth(records: list[Record], name: str, title: str, folder: Path) -> Path | None:
    rows = [own for own in records if own["part"] == f"growth-{name}" and "size" in own]
    if not rows:
        return None
    figure, axes = _figure(title, name, "server CPU µs per delivered tick")
    for server in dict.fromkeys(own["server"] for own in rows):
        points = sorted(
            (own["size"], own["cpu_us_per_tick"]) for own in rows if own["server"] == server
        )
        axes.loglog(*zip(*points, strict=True), marker="o", label=server)
    return _save(figure, axes, folder / f"growth-{name}.png")


def _latencies(records: list[Record], folder: Path) -> Path | None:
    rows = [own for own in records if own["part"] == "W3" and own.get("latency_us")]
    if not rows:
        return None
    figure, axes = _figure("W3", "latency µs", "share of ticks that took longer")
    for server in dict.fromkeys(own["server"] for own in rows):
        counts: dict[float, int] = {}
        for own in rows:
            for at_us, count in own["latency_us"] if own["server"] == server else ():
                counts[at_us] = counts.get(at_us, 0) + count
        axes.loglog(*_slower(counts), label=server)
    return _save(figure, axes, folder / "latency-W3.png")


def _slower(counts: dict[float, int]) -> tuple[list[float], list[float]]:
    """Give each latency and the share of ticks above it; the last has none and is left out."""
    left = total = sum(counts.values())
    across, up = [], []
    for at_us, count in sorted(counts.items())[:-1]:
        left -= count
        across.append(at_us)
        up.append(left / total)
    return across, up
