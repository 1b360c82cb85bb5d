"""How smoothly the dashboard runs: `python -m benchmarks.dashboard [--minutes 10]`.

A feed simulates 300 symbols at 10,000 ticks/s; the page at `/` watches them all in headless
Chromium. A line per 10 s: frames per second, the longest frames, how busy the page's main thread
was (CPU time, so it holds on a shared machine too), its memory after a collection of garbage, the
machine's load, and what the page says of itself.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

from tests.integration.running import serving
from tests.web.pages import ARGUMENTS, CHROMIUM, DESK

WINDOW_S: Final = 10
SETTLE_S: Final = 5

COUNT: Final = """() => {
    window.frameTimes = [];
    let last = performance.now();
    const step = (now) => {
        frameTimes.push(now - last);
        last = now;
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
}"""
TELL: Final = """() => {
    const times = frameTimes.splice(0).sort((one, other) => one - other);
    return [times.length, times[Math.floor(times.length * 0.99)], times[times.length - 1],
        document.querySelector("#state").textContent];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--rate", type=int, default=10_000)
    options = parser.parse_args()
    market = ("--simulate", str(options.symbols), "--rate", str(options.rate))
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), *market) as feed,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport=DESK)
        page.goto(f"http://127.0.0.1:{feed.port}/")
        page.wait_for_timeout(SETTLE_S * 1000)
        page.evaluate(COUNT)
        watch(page, round(options.minutes * 60 / WINDOW_S))
        browser.close()


def watch(page: Any, windows: int) -> None:
    """Print a line for each window of time."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    for _ in range(windows):
        before_s = busy_s(devtools)
        page.wait_for_timeout(WINDOW_S * 1000)
        busy = (busy_s(devtools) - before_s) / WINDOW_S
        frames, p99_ms, longest_ms, state = page.evaluate(TELL)
        devtools.send("HeapProfiler.collectGarbage")
        heap = devtools.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        print(
            f"{frames / WINDOW_S:5.1f} frames/s  p99 {p99_ms:4.0f} ms  longest {longest_ms:4.0f} ms"
            f"  busy {busy:4.0%}  heap {heap:5.1f} MB  load {os.getloadavg()[0]:.1f}  {state}",
            flush=True,
        )


def busy_s(devtools: Any) -> float:
    """Give the CPU time of the page's main thread so far."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(own["value"] for own in metrics if own["name"] == "TaskDuration"))


if __name__ == "__main__":
    main()
