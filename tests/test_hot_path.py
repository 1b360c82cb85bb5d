"""The path of a tick may become cheaper, and nobody makes it dearer without noticing.

Counted, not timed, so that a busy machine fails nothing. Where a change is worth its price, write
down the new counts (`python -m benchmarks.calls`) and the reason in the commit.
"""

from __future__ import annotations

import pytest

from benchmarks.calls import count_calls, fan_out

MARGIN = 1.10
SLACK = 0.01
"""Per tick: what is done per burst may take some calls more."""

# (batched, cohorts): Python calls and C calls per tick
KNOWN = {
    (False, 8): (1.029, 15.05),
    (True, 8): (0.089, 13.10),
    (False, 0): (0.003, 2.01),
}


@pytest.mark.parametrize(("batched", "cohorts"), KNOWN)
def test_a_tick_costs_no_more_calls_than_is_written_down(batched: bool, cohorts: int) -> None:
    python_calls, c_calls = KNOWN[batched, cohorts]
    cost = fan_out(batched=batched, cohorts=cohorts)
    assert cost.python_calls <= python_calls * MARGIN + SLACK
    assert cost.c_calls <= c_calls * MARGIN + SLACK


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
