"""Each scenario runs against a real feed, headless, and what it counts is what it should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.integration.running import serving
from tests.locustfiles.running import Done, Running

CALM = ("--delayed-ms", "60000", "--max-p99-ms", "60000")
"""Nothing that a busy machine could miss."""

RUNS: dict[str, tuple[str, ...]] = {
    "watchlists": ("--acts-per-s", "2", "--away-s", "0.1", "--symbols-per-user", "5"),
    "firehose": ("--patterns", "S0*", "--batch", "yes"),
    "slow_consumers": ("--slow-share", "0.4", "--slow-how", "stop"),
    "reconnect_storm": ("--storm-every-s", "1.5", "--max-recovery-s", "30"),
    "churn": ("--churn-per-s", "5", "--universe", "S000,S001,S002,S003,S004,S005,S006,S007"),
    "market_open": ("--channels", "quotes", "--delivery", "latest", "-t", "9s"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """One run of each scenario, at once, each against a feed of its own."""
    with ExitStack() as stack:
        running = {}
        for scenario, options in RUNS.items():
            folder = tmp_path_factory.mktemp(scenario)
            feed = stack.enter_context(serving(folder, "--simulate", "20", "--rate", "500"))
            run = Running(scenario, feed.url, folder / "run", *CALM, *options, users=6)
            stack.callback(run.kill)
            running[scenario] = run
        yield {scenario: run.end() for scenario, run in running.items()}


@pytest.mark.parametrize("scenario", RUNS)
def test_a_scenario_is_good_against_a_good_feed(runs: dict[str, Done], scenario: str) -> None:
    done = runs[scenario]
    assert done.verdict == ["good: every seq is accounted for, and every threshold is kept"]
    assert done.code == 0
    assert "the server's own counts agree" in done.out
    assert done.counts["ticks"] > 0
    assert done.percentiles["tick latency"]["p50_ms"] > 0
    assert done.stats["connect"]["Failure Count"] == "0"


def test_watchlists_are_edited_and_tabs_reopened(runs: dict[str, Done]) -> None:
    done = runs["watchlists"]
    assert done.percentiles["unsubscribe"]["count"] > 0
    assert done.counts["opened"] == done.counts["closed 1000"] > done.counts["users"]
    assert done.percentiles["snapshot"]["count"] == done.percentiles["subscribe"]["count"]


def test_after_a_storm_everybody_is_back_and_has_missed_nothing(runs: dict[str, Done]) -> None:
    done = runs["reconnect_storm"]
    assert done.counts["resumed"] > 0
    assert done.percentiles["recover by resume"]["count"] > 0
    assert done.percentiles["recover by snapshot"]["count"] > 0
    assert done.counts["opened"] > done.counts["users"]


def test_slow_consumers_are_judged_apart(runs: dict[str, Done]) -> None:
    done = runs["slow_consumers"]
    figures = done.percentiles["tick latency"], done.percentiles["slow tick latency"]
    assert sum(figure["count"] for figure in figures) == done.counts["ticks"]


def test_churn_changes_its_mind_again_and_again(runs: dict[str, Done]) -> None:
    changes = runs["churn"].percentiles["unsubscribe"]["count"]
    assert changes > 3 * runs["churn"].counts["users"]


def test_the_market_opens_with_a_burst(runs: dict[str, Done]) -> None:
    assert 1 < runs["market_open"].counts["users"] <= 6
