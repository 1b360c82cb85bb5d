"""Each way in which a feed can be wrong fails a run under its own name, and under no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.running import serving
from tests.locustfiles import wrongs
from tests.locustfiles.broken import Delay, at_once, broken
from tests.locustfiles.running import Done, Running, locust
from tests.locustfiles.wrongs import Way


class Case(NamedTuple):
    """What is wrong, and the fault that is to be found; none when nothing is wrong."""

    fault: str
    way: Callable[[], Way] = lambda: wrongs.honest
    scenario: str = "firehose"
    options: tuple[str, ...] = ("--patterns", "S*")
    delay: Delay = at_once


BATCH = ("--patterns", "S*", "--batch", "yes")
SOON = ("--patterns", "S*", "--delayed-ms", "700")
SLOW = ("--slow-share", "0.5", "--slow-how", "stop", "--max-p99-ms", "60000")
STORMS = ("--storm-every-s", "1.5", "--resume-share", "1")

CASES = {
    "nothing": Case(""),
    "nothing in batches": Case("", options=BATCH),
    "drops": Case("gap", wrongs.dropping),
    "drops from batches": Case("gap", wrongs.dropping, options=BATCH),
    "drops while some are behind": Case("gap", wrongs.dropping, "slow_consumers", SLOW),
    "drops from resumes": Case("gap", wrongs.forgetful, "reconnect_storm", STORMS),
    "repeats": Case("duplicate", wrongs.repeating),
    "repeats in batches": Case("duplicate", wrongs.repeating, options=BATCH),
    "repeats in resumes": Case("duplicate", wrongs.stuttering, "reconnect_storm", STORMS),
    "reorders": Case("reordered", wrongs.Reordering),
    "reorders in batches": Case("reordered", wrongs.Reordering, options=BATCH),
    "misdirects": Case("foreign", wrongs.misdirecting),
    "goes silent": Case("silent", wrongs.Silencing),
    "counts anew": Case("renumbered", wrongs.Renumbering),
    "closes": Case("closed", partial(wrongs.closing, 1011)),
    "vanishes": Case("closed", partial(wrongs.closing, 0)),
    "talks nonsense": Case("protocol", wrongs.rambling),
    "is late": Case("delayed", delay=lambda age_s: 0.8, options=SOON),
    "holds some back": Case("delayed", wrongs.HoldingBack),
    "becomes later and later": Case("delayed", delay=lambda age_s: age_s / 4, options=SOON),
    "loses its heart": Case("stale", lambda: wrongs.heartless),
}
MARKET = ("--simulate", "20", "--rate", "500")
QUICK_HEART = ("--heartbeat-interval-s", "0.5")
OPTIONS = ("--metrics", "off", "--delayed-ms", "60000")


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
        for name, case in CASES.items():
            port = (quick if case.fault == "stale" else steady).port
            url = stack.enter_context(broken(port, case.way, case.delay))
            prefix, options = folder / name.replace(" ", "-"), (*OPTIONS, *case.options)
            run = Running(case.scenario, url, prefix, *options, users=2)
            stack.callback(run.kill)
            running[name] = run
        yield {name: run.end() for name, run in running.items()}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.fault])
def test_a_server_that_is_wrong_is_named(runs: dict[str, Done], name: str) -> None:
    done, fault = runs[name], CASES[name].fault
    assert done.code == 1, done.out
    assert len(done.verdict) == 1, done.verdict
    (bad,) = done.verdict
    assert f" {fault}: " in bad
    assert float(done.stats[fault]["Failure Count"]) == done.counts[f"fault {fault}"] > 0


def test_a_server_that_counted_more_than_came_is_found_out(tmp_path: Path) -> None:
    with (
        serving(tmp_path, *MARKET) as feed,
        broken(feed.port, wrongs.decimating) as url,
    ):
        metrics = f"http://127.0.0.1:{feed.port}/metrics"
        options = ("--max-gaps", "1000000", "--delayed-ms", "60000", "--metrics", metrics)
        done = locust("watchlists", url, tmp_path, *options)
    assert done.code == 1
    assert [line.split(":")[1] for line in done.verdict] == [" bytes", " ticks"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.fault])
def test_a_good_server_is_good_through_the_same_proxy(runs: dict[str, Done], name: str) -> None:
    done = runs[name]
    assert done.verdict == ["good: every seq is accounted for, and every threshold is kept"]
    assert done.code == 0
    assert done.counts["ticks"] > 1_000
    assert float(done.stats["tick latency"]["Request Count"]) == done.counts["ticks"]
