"""A replay is paused, stepped, sped up and sought while clients of two makes follow it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import feed as package
from feed.client.events import Disorder, Epoch, Event, Gap
from tests.integration.running import Feed, client, serving, wait_for

START_NS = 1_767_623_400_000_000_000


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    with serving(tmp_path, "--anonymous-admin", "--heartbeat-interval-s", "0.2") as running:
        yield running


def control(feed: Feed, **body: Any) -> dict[str, Any]:
    """Ask for something as an admin's script would."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http://127.0.0.1:{feed.port}/v1/sources/replay"
    with opener.open(url, data=json.dumps(body).encode() if body else None, timeout=20) as answer:
        told: dict[str, Any] = json.load(answer)
        return told


def test_a_seek_begins_a_new_numbering_with_fresh_snapshots(feed: Feed) -> None:
    with client(feed) as own:
        own.subscribe("AAPL", "MSFT", channels=["quotes"])
        before = own.ticks(20)
        told = control(feed, action="seek", time="2026-01-05T14:31:00Z")
        assert told["ts_event"] is None or told["ts_event"] >= START_NS + 60 * 10**9
        epoch, _ = own.until("epoch")
        assert epoch["reason"] == "seek"
        snapshots = {own.until("snapshot")[0]["symbol"] for _ in range(2)}
        assert snapshots == {"AAPL", "MSFT"}
        after = own.ticks(20)
        assert after[0]["ts_event"] >= START_NS + 60 * 10**9 > before[-1]["ts_event"]
        assert {tick["symbol"]: tick["seq"] for tick in reversed(after)}["AAPL"] == 1
        control(feed, action="seek", time=START_NS)
        own.until("epoch")
        assert own.ticks(1)[0]["ts_event"] < START_NS + 60 * 10**9
        ack = own.subscribe(
            "IBM", channels=["quotes"], resume={"epoch": epoch["epoch"], "quotes": {"IBM": 1}}
        )
        assert "IBM" in ack["subscriptions"]["quotes"]
        assert not own.until("resumed")[0]["complete"]


def test_pause_step_and_speed_are_seen_in_heartbeats_and_told_to_all(feed: Feed) -> None:
    with client(feed) as own:
        control(feed, action="pause")
        notice, _ = own.until("notice")
        assert notice["message"] == "replay is paused"
        at = control(feed)["ticks"]
        assert control(feed, action="step", count=7)["ticks"] == at + 7
        wait_for(
            lambda: own.until("heartbeat")[0]["positions"]["replay"]["ticks"] == at + 7, "beat"
        )
        beat, _ = own.until("heartbeat")
        assert beat["sources"] == {"replay": "paused"}
        assert control(feed, action="speed", speed=50)["speed"] == 50
        control(feed, action="resume")
        wait_for(lambda: control(feed)["ticks"] > at + 500, "ticks at fifty times the speed")
        beat, _ = own.until("heartbeat")
        assert beat["positions"]["replay"]["speed"] == 50


def test_the_python_client_follows_seeks_without_a_false_gap(feed: Feed) -> None:
    events: list[Event] = []

    async def main() -> list[int]:
        counts: list[int] = []
        url = f"ws://127.0.0.1:{feed.port}"
        async with package.connect(url, ["*"], on_event=events.append) as ticks:
            for target in ("2026-01-05T14:31:30Z", START_NS, "2026-01-05T14:30:20Z"):
                control_ = asyncio.to_thread(control, feed, action="seek", time=target)
                sought = asyncio.create_task(control_)
                count = 0
                async for batch in ticks.batches():
                    count += len(batch)
                    if sought.done() and count > 100:
                        break
                counts.append(count)
            assert ticks.epoch == [own for own in events if isinstance(own, Epoch)][-1].epoch
            assert set(ticks.source_positions) <= {"replay"}
        return counts

    assert len(asyncio.run(main())) == 3
    assert sum(isinstance(own, Epoch) for own in events) >= 2
    assert not [own for own in events if isinstance(own, Gap | Disorder)]


def test_an_admins_notice_reaches_every_session(feed: Feed) -> None:
    with client(feed) as admin, client(feed) as other:
        admin.send(type="notice", message="maintenance at 22:00")
        for own in (admin, other):
            assert own.until("notice")[0]["message"] == "maintenance at 22:00"
