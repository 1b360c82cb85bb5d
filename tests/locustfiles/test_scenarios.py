"""Each scenario runs against a real feed, headless, and what it counts is what it should."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.running import serving
from tests.locustfiles.running import LIMIT_S, Done, Running, locust

CALM = ("--delayed-ms", "60000", "--max-p99-ms", "60000")
"""Nothing that a busy machine could miss."""

DRIVEN = ("--drive-sources", "yes")

RUNS: dict[str, tuple[str, ...]] = {
    "watchlists": ("--acts-per-s", "2", "--away-s", "0.1", "--symbols-per-user", "5"),
    "firehose": ("--patterns", "S0*", "--batch", "yes", "--processes", "2"),
    "slow_consumers": ("--slow-share", "0.4", "--slow-how", "stop"),
    "reconnect_storm": ("--storm-every-s", "1.5", "--max-recovery-s", "30"),
    "publishers": ("--publisher-share", "0.5"),
    "churn": ("--churn-per-s", "5", "--universe", "8", "--symbols-per-user", "5"),
    "market_open": ("--channels", "quotes", "--delivery", "latest", "-t", "9s", *DRIVEN),
}
FEED = ("--simulate", "20", "--rate", "500", "--anonymous-publish", "*", "--anonymous-admin")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Done]]:
    """One run of each scenario, at once, each against a feed of its own."""
    with ExitStack() as stack:
        running = {}
        for scenario, options in RUNS.items():
            folder = tmp_path_factory.mktemp(scenario)
            feed = stack.enter_context(serving(folder, *FEED))
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


def test_the_counts_of_processes_add_up(runs: dict[str, Done]) -> None:
    done = runs["firehose"]
    assert {"cpu worker 0", "cpu worker 1"} <= done.counts.keys()
    surveys = 2  # each process asks how far the streams have come
    assert done.counts["opened"] - surveys == done.counts["users"] == 6
    assert float(done.stats["tick latency"]["Request Count"]) == done.counts["ticks"]
    assert done.percentiles["tick latency"]["count"] == done.counts["ticks"]


def test_publishers_are_heard_by_their_subscribers(runs: dict[str, Done]) -> None:
    done = runs["publishers"]
    assert done.counts["published"] > 0
    assert done.percentiles["end to end"]["count"] == done.counts["ticks"]
    assert done.percentiles["publish"]["count"] > 0


def test_watchlists_are_edited_and_tabs_reopened(runs: dict[str, Done]) -> None:
    done = runs["watchlists"]
    assert done.percentiles["unsubscribe"]["count"] > 0
    closed, cut = done.counts["closed 1000"], done.counts["dropped"]  # cut: before the welcome
    assert done.counts["opened"] == closed + cut
    assert closed > done.counts["users"] >= cut
    snapshots, answers = (done.percentiles[name]["count"] for name in ("snapshot", "subscribe"))
    assert abs(snapshots - answers) <= done.counts["users"]  # a run ends between the two


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
    done = runs["churn"]
    assert done.percentiles["unsubscribe"]["count"] > 3 * done.counts["users"]
    assert done.percentiles["snapshot"]["count"] > 3 * done.counts["users"]


def test_the_market_opens_with_a_burst(runs: dict[str, Done]) -> None:
    assert 1 < runs["market_open"].counts["users"] <= 6


def test_a_threshold_that_is_missed_fails_a_run(tmp_path: Path) -> None:
    with serving(tmp_path, *FEED) as feed:
        options = ("--max-p99-ms", "0.001", "--min-ticks-per-s", "1e9", "--delayed-ms", "60000")
        done = locust("watchlists", feed.url, tmp_path, *options)
    assert done.code == 1
    assert [line.split(" is ")[1] for line in done.verdict] == [
        "above --max-p99-ms 0.001",
        "below --min-ticks-per-s 1e+09",
    ]


def test_sources_that_are_not_ours_to_drive_fail_a_run(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "20", "--rate", "500") as feed:
        done = locust("market_open", feed.url, tmp_path, *CALM, *DRIVEN, "-t", "8s")
    assert done.code == 1
    (bad,) = done.verdict
    assert " refused: " in bad
    assert "none of the 1 sources" in bad


def test_a_feed_that_is_not_there_fails_a_run_at_once(tmp_path: Path) -> None:
    run = Running("churn", "ws://127.0.0.1:9", tmp_path / "run", "-t", "1h", users=1)
    out, _ = run.process.communicate(timeout=LIMIT_S)
    text = "bad: the run cannot begin: cannot connect to ws://127.0.0.1:9: connection refused"
    assert run.process.returncode == 1
    assert text in out


def test_an_option_with_a_wrong_value_is_misuse(tmp_path: Path) -> None:
    run = Running("churn", "ws://127.0.0.1:9", tmp_path, "--max-p99-ms", "soon", users=1)
    _, log = run.process.communicate(timeout=LIMIT_S)
    assert run.process.returncode == 2
    assert log.endswith("error: --max-p99-ms must be a number from 0, was 'soon'\n")
