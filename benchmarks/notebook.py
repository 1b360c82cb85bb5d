"""What a notebook pays for live ticks: taking them in, a DataFrame of a million, and the widget.

`python -m benchmarks.notebook` prints the figures of docs/NOTEBOOKS.md; the widget's need the
extras `notebook` and `test`.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import feed
from benchmarks.machine import ROOT

TICKS = 1_300_000
"""Of which four fifths are quotes."""

LIMIT_S = 120.0
FRAMES = 20

WIDGET = """
import feed, os, time
server = feed.serve_in_background(simulate=300, rate=3000)
live = feed.Live(server.url, "*")
live.wait(n=5000)
def share(seconds=5):
    began, began_cpu = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    return (time.process_time() - began_cpu) / (time.perf_counter() - began)
without = share()
widget, sent = live.widget(rate=20), []
widget.observe(sent.append, "sheet")
share(1)
sent.clear()
with_it = share()
print(f"{with_it - without:.1%} of a core for {len(sent) / 5:.1f} updates/s of 300 symbols,"
      f" beside {without:.1%} for their 3,000 ticks/s")
"""
"""A cell that measures what the widget adds to the processor time of its kernel."""


@contextmanager
def blasting(ticks: int) -> Iterator[str]:
    """Run a server that sends a recording as fast as it is taken; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.blaster", str(port), str(ticks), "batch"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def take_in(ticks: int) -> None:
    """Fill the buffers of Live from a socket, then take frames of what they hold."""
    with (
        blasting(ticks) as url,
        feed.Live(url, ["*"], wait_for_server=True, snapshot=False) as live,
    ):
        began_s, began_cpu_s, before = time.perf_counter(), time.process_time(), live.stats.ticks
        live.wait(n=ticks * 9 // 10 - before, seconds=LIMIT_S)
        took_s, took_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        came = live.stats.ticks - before
        live.wait(n=ticks - live.stats.ticks, seconds=1)
        print(
            f"{came / took_cpu_s:,.0f} ticks/s of CPU into Live, {came / took_s:,.0f} by the clock"
        )
        print(f"{_frame_ms(live):.1f} ms for a frame of {len(live.quotes):,} quotes")


def _frame_ms(live: feed.Live) -> float:
    took_s = []
    for _ in range(FRAMES):
        began_s = time.perf_counter()
        _ = live.quotes
        took_s.append(time.perf_counter() - began_s)
    return statistics.median(took_s) * 1000


def show() -> None:
    """Run the cell in a kernel and pass on what it prints."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    notebook = new_notebook(cells=[new_code_cell(WIDGET)])
    NotebookClient(notebook, timeout=LIMIT_S).execute()
    print("".join(output.text for output in notebook.cells[0].outputs if "text" in output), end="")


if __name__ == "__main__":
    take_in(TICKS)
    show()
