"""What a notebook pays for live ticks: taking them in, a DataFrame of a million, and the widget.

`python -m benchmarks.notebook rate|frame PORT TICKS` and `python -m benchmarks.notebook widget`
measure once and print the figure; the widget's needs the extras `notebook` and `test`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks.machine import CLIENT_CORE, ROOT, pinned
from benchmarks.reading import READ_LIMIT_S, blasting
from benchmarks.servers import Job
from benchmarks.shot import ShotFailed, running

FIGURES = {
    "rate": "ticks/s into the frames of `feed.Live`",
    "frame": "ms for `live.quotes` of a million rows",
    "widget": "% of a core for a widget of 300 symbols at 20 updates/s",
}

ROWS = 1_000_000
TICKS_FOR_ROWS = 1_300_000
"""Four fifths are quotes."""

FRAMES = 20

CELL = """
import feed, time
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
assert len(sent) >= 95, f"{len(sent)} updates in 5 s"
print(100 * (with_it - without))
"""
"""It measures what the widget adds to the processor time of its kernel."""


def measure(figure: str, ticks: int) -> dict[str, Any]:
    """Measure one of `FIGURES` in a process of its own.

    Args:
        ticks: of the recording that is read for `rate`.
    """
    if figure == "widget":
        return {"figure": _printed([sys.executable, "-m", "benchmarks.notebook", figure])}
    ticks = ticks if figure == "rate" else TICKS_FOR_ROWS
    with running(blasting(ticks, "batch"), Job(0, 0.0)) as target:
        command = [sys.executable, "-m", "benchmarks.notebook", figure]
        found = _printed([*pinned(CLIENT_CORE), *command, str(target.port), str(ticks)])
    return {"figure": found}


def _printed(command: list[str]) -> float:
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, check=True, timeout=READ_LIMIT_S
        )
        return float(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        raise ShotFailed(f"{command[-1]} failed: {error}") from None


def _rate(port: int, ticks: int) -> float:
    """Time how long Live takes to fill from a socket, from its first tick on."""
    import feed

    with feed.Live(f"ws://127.0.0.1:{port}", ["*"], snapshot=False, reconnect=False) as live:
        live.wait(n=1)
        began_s, before = time.perf_counter(), live.stats.ticks
        live.wait(n=ticks * 9 // 10 - before)
        took_s, came = time.perf_counter() - began_s, live.stats.ticks - before
    return came / took_s


def _frame(port: int, ticks: int) -> float:
    """Time `live.quotes` once a million are held."""
    import feed

    took_s = []
    with feed.Live(f"ws://127.0.0.1:{port}", ["*"], snapshot=False, reconnect=False) as live:
        while live.stats.ticks < ticks and live.connected:
            live.wait(n=ticks - live.stats.ticks, seconds=1)
        for _ in range(FRAMES):
            began_s = time.perf_counter()
            rows = len(live.quotes)
            took_s.append(time.perf_counter() - began_s)
    assert rows == ROWS, f"{rows} quotes held"
    return statistics.median(took_s) * 1000


def _widget() -> float:
    """Run the cell in a kernel, and give what it prints."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    notebook = new_notebook(cells=[new_code_cell(CELL)])
    NotebookClient(notebook, timeout=READ_LIMIT_S).execute()
    return float("".join(own.text for own in notebook.cells[0].outputs if own.name == "stdout"))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["rate", port, ticks]:
            print(_rate(int(port), int(ticks)))
        case ["frame", port, ticks]:
            print(_frame(int(port), int(ticks)))
        case _:
            print(_widget())
