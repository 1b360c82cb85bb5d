"""A feed with --state-dir is stopped, killed, damaged and starved: what its clients see of it."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.running import (
    Client,
    Feed,
    Message,
    by_stream,
    client,
    has_every_seq,
    run,
    serving,
    wait_for,
)
from tests.soak.bystanders import crowd, nothing_unexplained

NAMES = ("AAPL", "MSFT", "IBM")
CHANNEL_OF = {"quote": "quotes", "trade": "trades"}
RATE = 2000
FLUSH_S = 0.2
SLACK_S = 0.5
MARKET = ("--simulate", ",".join(NAMES), "--rate", str(RATE))
QUIET = "ts_event,symbol,price,size\n1700000000000000001,OTHER,1.5,7\n"


@contextmanager
def keeping(
    folder: Path, *arguments: str, under: Sequence[str] = (), stderr: int | None = None
) -> Iterator[Feed]:
    """Run a feed that keeps its state in `folder/state`."""
    state = ("--state-dir", str(folder / "state"), "--state-flush-interval-s", str(FLUSH_S))
    with serving(folder, *state, *arguments, under=under, stderr=stderr) as feed:
        yield feed


@contextmanager
def quiet(folder: Path) -> Iterator[Feed]:
    """Run a feed that adds nothing to the state it finds."""
    tape = folder / "quiet.csv"
    tape.write_text(QUIET)
    with keeping(folder, "--replay", str(tape)) as feed:
        yield feed


def epoch(folder: Path) -> str:
    return str(orjson.loads((folder / "state" / "state.json").read_bytes())["epoch"])


def snapshots(feed: Feed) -> dict[str, Message]:
    """Give the last values of every symbol."""
    with client(feed) as own:
        own.subscribe(*NAMES)
        found = [own.until("snapshot")[0] for _ in NAMES]
    return {own["symbol"]: own for own in found}


def read_to_the_end(own: Client) -> list[Message]:
    """Give every message up to the close."""
    found: list[Message] = []
    try:
        while True:
            found.append(own.next())
    except ConnectionClosed:
        return found


def positions(ticks: list[Message]) -> dict[str, dict[str, int]]:
    """Give the last seq of each stream, as `resume` wants it."""
    found: dict[str, dict[str, int]] = {}
    for (kind, symbol), own in by_stream(ticks).items():
        found.setdefault(CHANNEL_OF[kind], {})[symbol] = own[-1]["seq"]
    return found


def killed(folder: Path) -> list[Message]:
    """Run a feed for a second, kill it, and give every tick that a client saw."""
    with keeping(folder, *MARKET) as feed, client(feed) as own:
        own.subscribe(*NAMES, snapshot=False)
        seen = own.ticks(RATE)
        feed.stop(signal.SIGKILL)
        return seen + [tick for tick in read_to_the_end(own) if tick["type"] in CHANNEL_OF]


def test_a_resume_goes_across_a_restart_with_every_seq_once(tmp_path: Path) -> None:
    with keeping(tmp_path, *MARKET) as feed:
        with client(feed) as own, client(feed) as other:
            own.subscribe(*NAMES, snapshot=False)
            other.subscribe(*NAMES, snapshot=False)
            before = own.ticks(500)
            own.connection.close()
            missed = other.ticks(1500)
        begun = epoch(tmp_path)
    assert epoch(tmp_path) == begun
    with keeping(tmp_path, *MARKET) as feed, client(feed) as own:
        own.subscribe(*NAMES, resume={"epoch": begun, **positions(before)})
        after: list[Message] = []
        for _ in by_stream(before):
            told, ticks = own.until("resumed")
            assert told["complete"]
            after += ticks
        after += own.ticks(100)
    assert all(has_every_seq(stream) for stream in by_stream(before + after).values())
    resumed = {(own["type"], own["symbol"], own["seq"]): own for own in before + after}
    assert all(resumed[own["type"], own["symbol"], own["seq"]] == own for own in missed)


def test_clients_are_there_again_after_a_restart_without_a_hole(tmp_path: Path) -> None:
    market = ("--simulate", "200", "--rate", str(RATE))
    with ExitStack() as stack:
        with keeping(tmp_path, *market) as feed:
            everybody = stack.enter_context(crowd(feed.url, 50, backoff_s=0.05))
            everybody.watch("before", 0.5)
        before = everybody.report()
        with keeping(tmp_path, *market, "--port", str(feed.port)):
            after = everybody.is_back(before)
    assert after["disconnects"]["4000"] == 50
    nothing_unexplained(after)


def test_after_a_kill_a_new_epoch_begins_and_one_flush_interval_is_lost(tmp_path: Path) -> None:
    seen = killed(tmp_path)
    begun = epoch(tmp_path)
    with quiet(tmp_path) as feed:
        found = snapshots(feed)
    assert epoch(tmp_path) != begun
    kept_ns = seen[-1]["ts_out"] - (FLUSH_S + SLACK_S) * 1e9
    for tick in seen:
        snapshot = found[tick["symbol"]]
        last_seq = snapshot["seqs"][CHANNEL_OF[tick["type"]]]
        assert tick["ts_out"] > kept_ns or tick["seq"] <= last_seq
        if tick["seq"] == last_seq:
            assert snapshot[tick["type"]] == tick


def test_a_torn_segment_costs_its_last_line_and_the_epoch(tmp_path: Path) -> None:
    with keeping(tmp_path, *MARKET) as feed, client(feed) as own:
        own.subscribe(*NAMES)
        own.ticks(500)
    begun = epoch(tmp_path)
    with quiet(tmp_path) as feed:
        whole = snapshots(feed)
    assert epoch(tmp_path) == begun
    [*_, newest] = sorted((tmp_path / "state").glob("ticks-*"))
    with newest.open("ab") as file:
        file.write(b'{"type":"quote","symb')
    with quiet(tmp_path) as feed:
        assert snapshots(feed) == whole
        assert feed.log.count("WARNING") == feed.log.count("left out a torn line") == 1
    assert epoch(tmp_path) != begun


def test_an_address_in_use_does_not_end_the_numbering(tmp_path: Path) -> None:
    with keeping(tmp_path, *MARKET):
        pass
    begun = epoch(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = run("serve", "--port", port, *MARKET, "--state-dir", str(tmp_path / "state"))
    assert ran.returncode == 1
    with keeping(tmp_path, *MARKET):
        assert epoch(tmp_path) == begun


def test_a_second_feed_on_a_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with keeping(tmp_path, *MARKET):
        ran = run("serve", "--port", "0", *MARKET, "--state-dir", str(tmp_path / "state"))
    assert (ran.returncode, ran.stdout) == (1, "")
    told = f"feed: --state-dir {tmp_path / 'state'} is used by another feed, give each its own\n"
    assert ran.stderr == told


def on_a_tiny_disk(folder: Path) -> tuple[str, ...]:
    """Give the command that runs a program for which a folder has 1 MiB."""
    mount = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", mount, str(folder))


def test_a_full_disk_costs_one_line_of_the_log_and_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    under = on_a_tiny_disk(state)
    try:
        subprocess.run([*under, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs to be root, on Linux, to mount a small disk")
    log_path = tmp_path / "errors.log"
    with log_path.open("wb") as log:
        market = ("--simulate", "200", "--rate", "10000")
        with keeping(tmp_path, *market, under=under, stderr=log.fileno()) as feed:
            with crowd(feed.url, 50) as everybody:
                wait_for(lambda: " ERROR " in log_path.read_text(), "the disk is full")
                everybody.watch("full", 5 * FLUSH_S)
                nothing_unexplained(everybody.report())
            assert feed.stop() == 0
    told = [line for line in log_path.read_text().splitlines() if " INFO " not in line]
    assert len(told) == 1
    assert told[0].endswith(f"state is not kept for now, in {state}: no space left on device")
