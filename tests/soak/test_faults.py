"""What clients, networks and clocks do to a feed for long, and what that costs its bystanders.

Each fault is done three times, each time after a calm phase on the same connections; the medians
of the bystanders' p99 latencies are compared. The short forms are in tests/integration.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.running import Feed, client, serving, wait_for
from tests.soak import faults
from tests.soak.bystanders import (
    GROWTH_KIB,
    MARKET,
    Crowd,
    as_fast,
    crowd,
    nothing_unexplained,
    undisturbed,
)

BYSTANDERS = 50
REPEATS = 3
CALM_S = 10.0
COME_BACK_S = 60.0
STALL_MS = 100
STEPS_S = (-7200, 7200, -86_400, 0)

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has"
    ),
]


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    with serving(tmp_path, *MARKET) as running:
        yield running


@pytest.fixture
def bystanders(feed: Feed) -> Iterator[Crowd]:
    with crowd(feed.url, BYSTANDERS) as own:
        own.watch("settling", 2)
        yield own


def compare(feed: Feed, bystanders: Crowd, fault: Callable[[], object]) -> float:
    """Do a fault again and again; bystanders must not notice, and memory must stay bounded.

    Returns:
        The longest lag of the feed's event loop under the fault, as heartbeats told it, in ms.
    """
    calm = [f"calm-{turn}" for turn in range(REPEATS)]
    disturbed = [f"disturbed-{turn}" for turn in range(REPEATS)]
    for before, after in zip(calm, disturbed, strict=True):
        bystanders.watch(before, CALM_S)
        before_kib = feed.resident_kib
        bystanders.tell("phase", after)
        fault()
        assert feed.resident_kib - before_kib < GROWTH_KIB
    own = bystanders.report()
    undisturbed(own)
    before_ms, after_ms = as_fast(own, calm, disturbed)
    lag_ms = max(own["phases"][name]["lag_ms"] for name in disturbed)
    sys.stderr.write(
        f"\np99 {before_ms:.1f} ms calm, {after_ms:.1f} ms disturbed, loop lag {lag_ms:.1f} ms\n"
    )
    return float(lag_ms)


def again_and_again(call: Callable[[], object], seconds: float) -> None:
    """Call once a second."""
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s:
        call()
        time.sleep(1)


def test_twenty_clients_stopped_for_half_a_minute(feed: Feed, bystanders: Crowd) -> None:
    with crowd(feed.url, 20) as victims:

        def stop_and_go() -> None:
            before = victims.report()
            victims.stop()
            time.sleep(30)
            victims.go_on()
            nothing_unexplained(victims.is_back(before, COME_BACK_S))

        compare(feed, bystanders, stop_and_go)


def test_clients_reset_a_hundred_at_a_time(feed: Feed, bystanders: Crowd) -> None:
    compare(
        feed, bystanders, lambda: again_and_again(lambda: faults.reset_at_once(feed, 100), CALM_S)
    )


def test_clients_that_shut_their_side(feed: Feed, bystanders: Crowd) -> None:
    compare(
        feed,
        bystanders,
        lambda: again_and_again(lambda: faults.half_close_at_once(feed, 100), CALM_S),
    )


def test_a_network_that_delays_splits_stalls_and_cuts(feed: Feed, bystanders: Crowd) -> None:
    with crowd(feed.url, 10, backoff_s=0.05, proxied=True) as victims:

        def mistreat() -> None:
            victims.tell("delay", 0.05)
            victims.tell("split")
            time.sleep(5)
            victims.tell("stall")
            time.sleep(10)
            victims.tell("flow")
            again_and_again(lambda: victims.tell("cut"), 5)
            victims.tell("calm")
            nothing_unexplained(victims.is_back(victims.report(), COME_BACK_S))

        compare(feed, bystanders, mistreat)


def test_a_storm_of_resumes(feed: Feed, bystanders: Crowd) -> None:
    with crowd(feed.url, 300, backoff_s=0.01) as victims:

        def storm() -> None:
            before = victims.report()
            victims.tell("drop")
            back = before["reconnects"] + 300
            wait_for(lambda: victims.report()["reconnects"] == back, "all have come back")
            nothing_unexplained(victims.is_back(before))
            time.sleep(CALM_S)

        assert compare(feed, bystanders, storm) < STALL_MS


@pytest.mark.skipif(bool(faults.no_network()), reason=faults.no_network())
def test_peers_that_a_network_swallows_are_given_up_within_half_a_minute(tmp_path: Path) -> None:
    with (
        serving(
            tmp_path, *MARKET, "--host", "0.0.0.0", "--insecure", under=faults.IN_A_NETWORK
        ) as feed,
        crowd(at("127.0.0.1", feed), BYSTANDERS, under=faults.beside(feed)) as bystanders,
        crowd(at(faults.AWAY, feed), 20, under=faults.beside(feed)) as victims,
    ):
        bystanders.watch("calm", CALM_S)
        before = victims.report()
        bystanders.tell("phase", "disturbed")
        faults.partition(feed)
        wait_for(lambda: faults.closed(feed, 4002) == 20, "all are given up", 30)
        faults.heal(feed)
        nothing_unexplained(victims.is_back(before, COME_BACK_S))
        own = bystanders.report()
        undisturbed(own)
        as_fast(own, ["calm"], ["disturbed"])


def at(host: str, feed: Feed) -> str:
    return f"ws://{host}:{feed.port}"


@pytest.mark.skipif(faults.FAKETIME is None, reason="needs libfaketime (apt install faketime)")
def test_steps_of_the_wall_clock(tmp_path: Path) -> None:
    stamp = tmp_path / "clock"
    with (
        serving(tmp_path, *MARKET, under=faults.faked_clock(stamp)) as feed,
        crowd(feed.url, BYSTANDERS) as everybody,
        client(feed, batch=True) as own,
    ):
        own.subscribe("S00*", snapshot=False)
        for ahead_s in STEPS_S:
            faults.step(stamp, ahead_s)
            assert faults.in_time(faults.beats(own, 3), 5, ahead_s)
        undisturbed(everybody.report())
