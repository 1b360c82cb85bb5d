"""A recording survives what may happen to its writer, and plays the same ticks again."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.integration.running import Feed, command, environment, run, serving, wait_for

MARKET = ("--simulate", "AAPL,BTC-USD", "--rate", "2000", "--seed", "3")
QUICK = ("--record-flush-interval-s", "0.1")
STAMPS = ("seq", "ts_out")


def get(feed: Feed, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{feed.port}{path}", timeout=10) as answer:
        return orjson.loads(answer.read())


def log_of(feed: Feed, channel: str, symbol: str) -> list[dict[str, Any]]:
    """Give all that the feed has of a stream, page by page."""
    ticks: list[dict[str, Any]] = []
    path = f"/v1/ticks/{symbol}?channel={channel}&limit=5000"
    page = get(feed, f"{path}&from=0")
    while True:
        ticks += page["ticks"]
        if page["next"] is None:
            return ticks
        page = get(feed, f"{path}&next={page['next']}")


def streams(feed: Feed) -> dict[tuple[str, str], list[dict[str, Any]]]:
    pairs = [(own, name) for own in ("quotes", "trades", "bars") for name in ("AAPL", "BTC-USD")]
    return {pair: log_of(feed, *pair) for pair in pairs}


def metric(feed: Feed, name: str) -> float:
    url = f"http://127.0.0.1:{feed.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(own.split()[-1]) for own in lines if own.startswith(name))


def written(feed: Feed, ticks: int) -> None:
    wait_for(lambda: metric(feed, "feed_recorder_ticks_total") >= ticks, f"{ticks} recorded", 30)


def all_played(feed: Feed) -> None:
    wait_for(lambda: get_states(feed) == {"replay": "ended"}, "the end of the tape", 30)


def get_states(feed: Feed) -> Any:
    try:
        return get(feed, "/readyz")["sources"]
    except urllib.error.HTTPError as error:
        return orjson.loads(error.read())["sources"]


def same(tick: dict[str, Any], *, stamps: bool) -> dict[str, Any]:
    return {name: value for name, value in tick.items() if stamps or name not in STAMPS}


def test_replay_record_replay_is_equal_field_by_field(tmp_path: Path) -> None:
    tape = ("--replay", "tape.parquet", "--speed", "0", *QUICK)
    out = ("--out", str(tmp_path / "tape.parquet"), "--symbols", "AAPL,BTC-USD")
    made = run("simulate", *out, "--ticks", "10000", "--seed", "3")
    assert made.returncode == 0, made.stderr
    with serving(tmp_path, *tape, "--record", "first") as feed:
        all_played(feed)
        first = streams(feed)
    with serving(tmp_path, "--replay", "first", "--speed", "0", "--record", "second") as feed:
        all_played(feed)
        second = streams(feed)
    assert sum(map(len, first.values())) >= 10_000
    for stream, ticks in first.items():
        assert [own["seq"] for own in ticks] == list(range(1, len(ticks) + 1)), stream
        assert [same(own, stamps=False) for own in second[stream]] == [
            same(own, stamps=False) for own in ticks
        ], stream
    with serving(tmp_path, "--replay", "tape.parquet", "--speed", "1", "--record", "first") as feed:
        again = {pair: log_of(feed, *pair) for pair in first}
    for stream, ticks in first.items():  # an earlier run, with the stamps it had
        assert again[stream][: len(ticks)] == ticks, stream


def test_a_recorder_that_is_killed_loses_no_more_than_its_last_seconds(tmp_path: Path) -> None:
    with serving(tmp_path, *MARKET, *QUICK, "--record", "tapes") as feed:
        written(feed, 3_000)
        before = streams(feed)
        feed.stop(signal.SIGKILL)
    parts = list((tmp_path / "tapes").rglob("*.part"))
    assert len(parts) == 3
    for part in parts:  # as if it had been killed in the middle of a write
        os.truncate(part, part.stat().st_size - 3)
    with serving(tmp_path, "--replay", "tapes", "--speed", "0") as feed:
        all_played(feed)
        played = streams(feed)
        assert feed.log.count("left out a torn end") == 3
    assert metric_sum(played) >= 2_000
    for stream, ticks in played.items():
        known = before[stream][: len(ticks)]
        assert [same(own, stamps=False) for own in ticks[: len(known)]] == [
            same(own, stamps=False) for own in known
        ]


def metric_sum(found: dict[tuple[str, str], list[dict[str, Any]]]) -> int:
    return sum(map(len, found.values()))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_stops_the_recording_and_not_the_feed(tmp_path: Path, small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(700_000))
    market = ("--simulate", "AAPL,BTC-USD", "--rate", "20000", "--seed", "3")
    log = tmp_path / "log"
    log.mkdir()
    arguments = command("serve", "--port", "0", *market, *QUICK, "--record", str(small_disk))
    with (log / "feed.log").open("wb") as errors:
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=errors, env=environment()
        )
    try:
        feed = Feed(process, log / "feed.log")
        wait_for(lambda: metric(feed, "feed_recorder_stopped") == 1, "the disk to be full", 30)
        seen = metric(feed, "feed_ticks_in_total")
        wait_for(lambda: metric(feed, "feed_ticks_in_total") > seen + 5_000, "the feed to go on")
        assert metric(feed, "feed_recorder_missing_ticks_total") > 0
        assert feed.log.count("recording lacks ticks: no space left on device") == 1
        filler.unlink()
        wait_for(lambda: metric(feed, "feed_recorder_stopped") == 0, "the recording to go on")
        assert feed.stop() == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert "recording goes on" in feed.log
    assert "Traceback" not in feed.log
    assert b'"reason":"no space left on device"' in (small_disk / "holes.ndjson").read_bytes()
    with serving(tmp_path, "--replay", str(small_disk), "--speed", "0") as feed:
        all_played(feed)
        assert "ticks: no space left on device" in feed.log
