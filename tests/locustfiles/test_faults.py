"""Each way in which a feed can be wrong fails a run under its own name, and under no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.running import serving
from tests.locustfiles.broken import (
    Reordering,
    Way,
    broken,
    closing,
    decimating,
    dropping,
    honest,
    misdirecting,
    rambling,
    repeating,
)
from tests.locustfiles.running import Done, Running, locust


class Case(NamedTuple):
    """What is wrong, and the fault that is to be found; none when nothing is wrong."""

    fault: str
    way: Callable[[], Way]
    delay_s: float = 0.0
    heartless: bool = False
    delayed_ms: int = 60_000


CASES = (
    Case("", lambda: honest),
    Case("gap", lambda: dropping),
    Case("duplicate", lambda: repeating),
    Case("reordered", Reordering),
    Case("foreign", lambda: misdirecting),
    Case("closed", lambda: closing),
    Case("protocol", lambda: rambling),
    Case("delayed", lambda: honest, delay_s=0.8, delayed_ms=700),
    Case("stale", lambda: honest, heartless=True),
)
MARKET = ("--simulate", "20", "--rate", "500")
OPTIONS = ("--patterns", "S*", "--metrics", "off")
QUICK_HEART = ("--heartbeat-interval-s", "0.5")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """One run for each case, all at once to save time."""
    folder, other = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("feed")
    with (
        serving(folder, *MARKET) as steady,
        serving(other, *MARKET, *QUICK_HEART) as quick,
        ExitStack() as stack,
    ):
        running = {}
        for case in CASES:
            port = (quick if case.heartless else steady).port
            url = stack.enter_context(broken(port, case.way, case.delay_s, case.heartless))
            options = [*OPTIONS, "--delayed-ms", str(case.delayed_ms)]
            run = Running("firehose", url, folder / (case.fault or "good"), *options, users=2)
            stack.callback(run.kill)
            running[case.fault] = run
        yield {fault: run.end() for fault, run in running.items()}


@pytest.mark.parametrize("fault", [case.fault for case in CASES if case.fault])
def test_a_server_that_is_wrong_is_named(runs: dict[str, Done], fault: str) -> None:
    done = runs[fault]
    assert done.code == 1, done.out
    assert len(done.verdict) == 1, done.verdict
    (bad,) = done.verdict
    assert f" {fault}: " in bad
    assert float(done.stats[fault]["Failure Count"]) == done.counts[f"fault {fault}"] > 0


def test_a_server_that_counted_more_than_came_is_found_out(tmp_path: Path) -> None:
    with (
        serving(tmp_path, *MARKET) as feed,
        broken(feed.port, lambda: decimating) as url,
    ):
        metrics = f"http://127.0.0.1:{feed.port}/metrics"
        options = ("--max-gaps", "1000000", "--delayed-ms", "60000", "--metrics", metrics)
        done = locust("watchlists", url, tmp_path, *options)
    assert done.code == 1
    assert [line.split(":")[1] for line in done.verdict] == [" bytes", " ticks"]


def test_a_good_server_is_good_through_the_same_proxy(runs: dict[str, Done]) -> None:
    done = runs[""]
    assert done.verdict == ["good: every seq is accounted for, and every threshold is kept"]
    assert done.code == 0
    assert done.counts["ticks"] > 1_000
    assert float(done.stats["tick latency"]["Request Count"]) == done.counts["ticks"]
