"""What clients, networks and clocks do to a feed, for seconds: tests/soak has the long forms.

Fifty bystanders receive all along, and must get every tick over the connection they began with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running import Feed, client, serving, wait_for
from tests.soak import faults
from tests.soak.bystanders import GROWTH_KIB, MARKET, Crowd, crowd, nothing_unexplained, undisturbed

BYSTANDERS = 50
VICTIMS = 20
HEARTBEATS = ("--heartbeat-interval-s", "1", "--silence-limit-s", "3")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has"
)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    with serving(tmp_path_factory.mktemp("feed"), *MARKET, *HEARTBEATS) as running:
        yield running


@pytest.fixture(scope="module")
def everybody(feed: Feed) -> Iterator[Crowd]:
    with crowd(feed.url, BYSTANDERS) as bystanders:
        yield bystanders


@pytest.fixture
def bystanders(feed: Feed, everybody: Crowd) -> Iterator[Crowd]:
    before_kib, before = feed.resident_kib, everybody.report()
    yield everybody
    undisturbed(everybody.is_back(before))
    assert feed.resident_kib - before_kib < GROWTH_KIB


@pytest.mark.usefixtures("bystanders")
def test_stopped_clients_are_given_up_and_come_back_whole(feed: Feed) -> None:
    with crowd(feed.url, VICTIMS, backoff_s=0.05) as victims:
        before = victims.report()
        victims.stop()
        wait_for(lambda: faults.closed(feed, 4002) == VICTIMS, "all are given up")
        victims.go_on()
        own = victims.is_back(before)
        assert own["reconnects"] == VICTIMS
        assert own["resumed"] > 0
        nothing_unexplained(own)


@pytest.mark.usefixtures("bystanders")
def test_clients_that_reset_leave_nothing_behind(feed: Feed) -> None:
    faults.reset_at_once(feed, 2 * VICTIMS)


@pytest.mark.usefixtures("bystanders")
def test_a_client_that_shuts_its_side_is_answered_by_a_clean_end(feed: Feed) -> None:
    faults.half_close_at_once(feed, VICTIMS)


@pytest.mark.usefixtures("bystanders")
def test_delays_stalls_single_bytes_and_cuts_lose_nothing(feed: Feed) -> None:
    with crowd(feed.url, 5, backoff_s=0.05, proxied=True) as victims:
        victims.tell("delay", 0.02)
        victims.tell("split")
        victims.watch("slow", 1)
        victims.tell("stall")
        victims.watch("stalled", 1)
        victims.tell("flow")
        before = victims.report()
        victims.tell("cut")
        victims.tell("calm")
        wait_for(lambda: victims.report()["reconnects"] == 5, "all have come back")
        nothing_unexplained(victims.is_back(before))


@pytest.mark.usefixtures("bystanders")
def test_a_storm_of_resumes_leaves_no_hole(feed: Feed) -> None:
    with crowd(feed.url, 300, backoff_s=0.05) as victims:
        before = victims.report()
        victims.tell("drop")
        wait_for(lambda: victims.report()["reconnects"] == 300, "all have come back")
        nothing_unexplained(victims.is_back(before))


@pytest.mark.skipif(faults.FAKETIME is None, reason="needs libfaketime (apt install faketime)")
def test_steps_of_the_wall_clock_close_nobody_and_hold_no_heartbeat_up(tmp_path: Path) -> None:
    stamp = tmp_path / "clock"
    beats = ("--heartbeat-interval-s", "0.5", "--silence-limit-s", "2")
    with (
        serving(tmp_path, *MARKET, *beats, under=faults.faked_clock(stamp)) as feed,
        crowd(feed.url, BYSTANDERS) as everybody,
    ):
        before = everybody.report()
        with client(feed, batch=True) as own:
            own.subscribe("S00*", snapshot=False)
            for ahead_s in (-7200, 7200):
                faults.step(stamp, ahead_s)
                assert faults.in_time(faults.beats(own, 3), 0.5, ahead_s)
        undisturbed(everybody.is_back(before))
