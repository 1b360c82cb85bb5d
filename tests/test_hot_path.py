"""The path of a tick may become cheaper, and nobody makes it dearer without noticing.

Counted, not timed, so that a busy machine fails nothing. Where a change is worth its price, write
down the new counts (`python -m benchmarks.calls`) and the reason in the commit.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.calls import count_calls, fan_out, small_burst
from feed.hub.path import IN_C

MARGIN = 1.10
SLACK = 0.01
"""Per tick: what is done per burst may take some calls more."""

# (batched, cohorts, rows): Python calls and C calls per tick
IN_PYTHON = {
    (False, 8, False): (4.051, 26.07),
    (True, 8, False): (4.107, 26.14),
    (False, 0, False): (3.005, 8.01),
    (False, 8, True): (4.057, 26.08),
}
COMPILED = {
    (False, 8, False): (0.010, 0.011),
    (True, 8, False): (0.010, 0.011),
    (False, 0, False): (0.004, 0.004),
    (False, 8, True): (0.010, 0.007),
}
KNOWN = COMPILED if IN_C else IN_PYTHON

SMALL_BURST = (26.5, 21.25)
"""Per burst of three ticks; eight of the calls in Python, and what they call, are the takers'."""


@pytest.mark.parametrize(("batched", "cohorts", "rows"), KNOWN)
def test_a_tick_costs_no_more_calls_than_is_written_down(
    batched: bool, cohorts: int, rows: bool
) -> None:
    python_calls, c_calls = KNOWN[batched, cohorts, rows]
    cost = fan_out(batched=batched, cohorts=cohorts, rows=rows)
    assert cost.python_calls <= python_calls * MARGIN + SLACK
    assert cost.c_calls <= c_calls * MARGIN + SLACK


@pytest.mark.skipif(not IN_C, reason="a burst in Python is as long as its ticks")
def test_a_small_burst_costs_no_more_calls_than_is_written_down() -> None:
    """Most bursts are of a few ticks, and their cost is that of the calls."""
    cost = small_burst()
    assert cost.python_calls <= SMALL_BURST[0] * MARGIN
    assert cost.c_calls <= SMALL_BURST[1] * MARGIN


def test_counts_are_the_same_every_time() -> None:
    assert fan_out(batched=False) == fan_out(batched=False)


def test_every_call_is_counted_once() -> None:
    def inner(text: str) -> int:
        return len(text)

    def work() -> None:
        for _ in range(10):
            inner("")

    python_calls, c_calls = count_calls(work)
    assert python_calls == 11
    assert c_calls >= 10


@pytest.mark.skipif(not IN_C, reason="nothing is compiled, so Python is what every test is of")
@pytest.mark.timeout(240)
def test_all_that_holds_of_what_is_compiled_holds_in_python() -> None:
    tests = ["tests/hub", "tests/sessions", "tests/client/test_ledger.py", "tests/test_hot_path.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *tests],
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "FEED_PURE_PYTHON": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5_000:]
