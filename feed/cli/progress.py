"""Progress on the terminal: of sources (tape time, speed, ticks per second), and of a count."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feed.node import Node

REFRESH_S = 0.25


@contextmanager
def watch(node: Node) -> Iterator[None]:
    """Show the sources' progress on standard error while the block runs, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_show, args=(node, stop), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show(node: Node, stop: threading.Event) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[state]}"),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    )
    with bar:
        rows = {own.name: bar.add_task(own.name, total=own.total, state="") for own in node.sources}
        published = 0
        while not stop.wait(REFRESH_S):
            rate = (node.hub.metrics.ticks_in - published) / REFRESH_S
            published = node.hub.metrics.ticks_in
            for source in node.sources:
                position = source.position
                at = tape_time(position.ts_event)
                speed = f"x{position.speed:g}" if position.speed else "as fast as possible"
                state = f"{at}  {speed}  {rate:,.0f} ticks/s  {source.state}"
                bar.update(
                    rows[source.name],
                    completed=position.ticks % (source.total or sys.maxsize),
                    state=state,
                )


def tape_time(ts_event: int | None) -> str:
    """Give a time on the tape for people, to the second."""
    if ts_event is None:
        return "-"
    return datetime.fromtimestamp(ts_event // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


@contextmanager
def counting(total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how many ticks are done, if standard error is a terminal; yields what advances it.

    Args:
        total: how many there will be, or None when that is not known.
    """
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), "ticks", TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield partial(progress.advance, task)
