from __future__ import annotations

import argparse
import os
import pty
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from urllib.parse import urljoin

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from feed.cli import check, verify
from feed.protocol.codec import encode, read_command
from feed.protocol.messages import Rejection, Snapshot, Subscribe, Subscribed, Welcome
from feed.sessions import keys
from feed.ticks import Quote, Tick
from tests.integration.running import Client, run, serving, wait_for
from tests.locustfiles.broken import broken
from tests.locustfiles.wrongs import Silencing

TICKS = 5_000


def quotes(symbol: str = "A") -> list[Tick]:
    return [Quote(symbol, seq, 1, 1.0, 1, 1.5, 1, 1) for seq in range(1, TICKS + 1)]


def honest(ticks: list[Tick]) -> list[Tick]:
    return ticks


def forgetful(ticks: list[Tick]) -> list[Tick]:
    return [tick for tick in ticks if tick.seq % 1_000 or tick.seq == TICKS]


def falling_silent(ticks: list[Tick]) -> list[Tick]:
    return ticks[:-10]


def stuttering(ticks: list[Tick]) -> list[Tick]:
    return [each for tick in ticks for each in [tick] * (1 + (tick.seq % 1_000 == 0))]


def shuffling(ticks: list[Tick]) -> list[Tick]:
    ticks[998], ticks[999] = ticks[999], ticks[998]
    return ticks


def gossiping(ticks: list[Tick]) -> list[Tick]:
    return [*ticks, Quote("B", 1, 1, 1.0, 1, 1.5, 1, 1)]


WELCOME = Welcome(1, "s", "e", 5, "none")


@contextmanager
def feed_that_is(kind: Callable[[list[Tick]], list[Tick]]) -> Iterator[str]:
    """Serve quotes of A, once, and say nothing more; any other symbol is rejected."""
    published: list[Tick] = []

    def talk(peer: ServerConnection) -> None:
        send(peer, WELCOME)
        for command in subscribes(peer):
            unknown = [own for own in command.symbols if own not in ("A", "*")]
            rejected = [Rejection(own, "unknown_symbol", "no source") for own in unknown]
            known = [own for own in command.symbols if own not in unknown]
            held = dict.fromkeys(command.channels, known) if known else {}
            send(peer, Subscribed(held, id=command.id, rejected=rejected))
            if known:
                send(peer, Snapshot("A", {"quotes": len(published)}))
                ticks = [] if published else kind(quotes())
                published[:] = quotes()
                for start in range(0, len(ticks), 100):
                    send(peer, ticks[start : start + 100])

    with listening(talk) as url:
        yield url


@contextmanager
def listening(talk: Callable[[ServerConnection], None]) -> Iterator[str]:
    """Serve each connection by a call."""

    def handle(peer: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            talk(peer)

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def send(peer: ServerConnection, message: object) -> None:
    peer.send(encode(message).decode())


def subscribes(peer: ServerConnection) -> Iterator[Subscribe]:
    """Read the commands of a client that asks for ticks and nothing else."""
    for message in peer:
        command = read_command(message if isinstance(message, bytes) else message.encode())
        assert isinstance(command, Subscribe)
        yield command


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "feed", "verify", *arguments]


class Terminal:
    """`feed verify` on a terminal.

    Attributes:
        seen: what it has written.
    """

    def __init__(self, url: str) -> None:
        self._outer, inner = pty.openpty()
        env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"}
        self.process = subprocess.Popen(command(url), stdout=inner, stderr=inner, env=env)
        os.close(inner)
        self.seen = ""

    def until(self, text: str) -> None:
        """Read until it has written this."""
        while text not in self.seen:
            self.seen += os.read(self._outer, 65_536).decode()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        """Read what is left, whether it has ended or not."""
        self.process.kill()
        with suppress(OSError):  # EIO: the terminal's other side is closed
            while more := os.read(self._outer, 65_536):
                self.seen += more.decode()
        os.close(self._outer)
        self.process.wait(20)


def feed_verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(
    ("kind", "code", "verdict"),
    [
        (honest, 0, "good: every seq is accounted for"),
        (forgetful, 1, "bad: 4 missing: no tick, and no word of it "
                       "(first: quotes A seq 1000 to 1000)"),
        (stuttering, 1, "bad: 5 duplicate: accounted for before (first: quotes A seq 1000)"),
        (shuffling, 1, "bad: 1 late: after later seqs of the same stream "
                       "(first: quotes A seq 999)"),
        (gossiping, 1, "bad: 1 foreign: of no stream that was asked for "
                        "(first: quotes B seq 1)"),
    ],
)  # fmt: skip
def test_each_way_of_being_wrong_is_caught_and_named(
    kind: Callable[[list[Tick]], list[Tick]], code: int, verdict: str
) -> None:
    with feed_that_is(kind) as url:
        done = feed_verify(url, "--symbols", "A", "--seconds", "0.4")
    counts, *verdicts = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (code, "")
    assert f"ticks {len(kind(quotes())):,}  streams 1  " in counts
    assert verdicts == [verdict]


def verified(monkeypatch: pytest.MonkeyPatch, *arguments: str, catch_up_s: float = 0.5) -> int:
    """Run it in this process, where it waits for what is missing less long."""
    monkeypatch.setattr(check, "CATCH_UP_S", catch_up_s)
    parser = argparse.ArgumentParser()
    verify.add(parser.add_subparsers())
    return verify.run(parser.parse_args(["verify", *arguments]))


def test_a_stream_that_falls_silent_to_the_end_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with feed_that_is(falling_silent) as url:
        assert verified(monkeypatch, url, "--symbols", "A", "--seconds", "0.4") == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "bad: 1 silent: streams that stood still to the end while the feed went on "
        "(first: quotes A at seq 4990, where the feed was at 5000)"
    ]


def test_a_stream_of_a_real_feed_that_falls_silent_is_found_among_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However loaded the machine is: the others may come late, by some seconds."""
    market = ("--simulate", "20", "--rate", "2000")
    made: list[Silencing] = []

    def silencing() -> Silencing:
        made.append(Silencing())
        return made[-1]

    with serving(tmp_path, *market) as feed, broken(feed.port, silencing) as url:
        assert verified(monkeypatch, url, "--seconds", "1", catch_up_s=3) == 1
    (bad,) = capsys.readouterr().out.splitlines()[1:]
    assert made[0].silent is not None
    kind, symbol = made[0].silent
    assert bad.startswith("bad: 1 silent: ")
    assert f"(first: {kind}s {symbol} at seq " in bad


def test_what_cannot_be_asked_at_the_end_is_not_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key for one session leaves none to ask how far the feed is."""
    keys = str(tmp_path / "keys.toml")
    created = run("keys", "create", "desk", "--session-limit", "1", "--file", keys)
    monkeypatch.setenv("FEED_TOKEN", created.stdout.strip())
    market = ("--simulate", "A", "--authentication", "required", "--api-keys", keys)
    with serving(tmp_path, *market) as feed:
        done = feed_verify(feed.url, "--seconds", "0.3")
    _, bad = done.stdout.splitlines()
    assert done.returncode == 1
    assert bad.startswith("bad: nobody knows whether streams fell silent to the end: ")
    assert "4503 limit exceeded" in bad


@pytest.mark.parametrize("given_back", [True, False])
def test_a_feed_that_takes_symbols_away_and_gives_them_back_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_back: bool
) -> None:
    file = tmp_path / "keys.toml"
    key = run("keys", "create", "desk", "--file", str(file)).stdout.strip()
    monkeypatch.setenv("FEED_TOKEN", key)
    options = ("--authentication", "optional", "--api-keys", str(file))
    market = ("--simulate", "A,B", "--rate", "200", *options)
    bearer = [Subprotocol("feed.v1"), Subprotocol(f"bearer.{key}")]

    def entitle(other: Client, *symbols: str) -> None:
        """Change the key, and wait until that holds for a session that has it, too."""
        (own,) = keys.load(file)
        changed = replace(own, entitlements={**own.entitlements, "subscribe": [*symbols]})
        keys.save(file, keys.Keys({own.id: changed}))
        other.until("subscribed")
        other.ticks(50)

    with (
        serving(tmp_path, *market) as feed,
        connect(feed.url, subprotocols=bearer, proxy=None, close_timeout=0.1) as connection,
    ):
        other = Client(connection)
        other.subscribe("*")
        checking = subprocess.Popen(command(feed.url), stdout=subprocess.PIPE, text=True)
        wait_for(lambda: metric(feed.url, SUBSCRIPTIONS) == 4, "two channels of each")
        other.ticks(50)
        entitle(other, "B")
        if given_back:
            entitle(other, "*")
        checking.send_signal(signal.SIGINT)
        out, _ = checking.communicate(timeout=20)
    assert out.splitlines()[1:] == ["good: every seq is accounted for"]


def test_a_real_feed_that_is_dropped_again_and_again_is_good(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "AAPL,MSFT,IBM", "--rate", "5000") as feed:
        options = ("--seconds", "1.5", "--reconnect-every", "0.4", "--delivery", "all")
        done = feed_verify(feed.url, "--symbols", "AAPL,M*", *options)
    counts, verdict = done.stdout.splitlines()
    assert (done.returncode, verdict) == (0, "good: every seq is accounted for")
    assert "streams 4  " in counts
    assert "resumed 0" not in counts
    assert "reconnects 0" not in counts


TICKS_OUT = r"feed_ticks_out_total{.*(?:quotes|trades).*} (\S+)"
SUBSCRIPTIONS = r"(?m)^feed_subscriptions (\S+)$"


def metric(url: str, pattern: str) -> float:
    """Give the sum of some of a feed's metrics."""
    with urllib.request.urlopen(urljoin(f"http:{url[3:]}", "/metrics"), timeout=10) as answer:
        text = answer.read().decode()
    return sum(map(float, re.findall(pattern, text)))


def test_what_a_client_cannot_see_for_lack_of_a_connection_is_not_good(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "AAPL", "--rate", "100") as feed:
        checking = subprocess.Popen(command(feed.url), stdout=subprocess.PIPE, text=True)
        wait_for(lambda: metric(feed.url, TICKS_OUT) > 0, "ticks have come")
        feed.stop()
        checking.send_signal(signal.SIGINT)
        out, _ = checking.communicate(timeout=20)
    assert checking.returncode == 1
    assert out.splitlines()[1:] == [
        "bad: there was no connection at the end, so the last ticks are unknown"
    ]


def test_unknown_symbols_are_named_and_alone_they_fail() -> None:
    with feed_that_is(honest) as url:
        some = feed_verify(url, "--symbols", "A,X", "--seconds", "0.3")
        none = feed_verify(url, "--symbols", "X")
    assert some.returncode == 0
    assert none.returncode == 1
    assert some.stderr == none.stderr == "feed: not subscribed: X: no source\n"
    assert none.stdout == ""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_it_reports_every_second_and_a_signal_ends_it_with_a_verdict(
    sent: signal.Signals,
) -> None:
    with feed_that_is(forgetful) as url, Terminal(url) as terminal:
        terminal.until("missing 4")
        terminal.process.send_signal(sent)
        assert terminal.process.wait(20) == 1
    assert terminal.seen.lstrip().startswith("1 s  ticks 4,996")
    assert "bad: 4 missing" in terminal.seen
    assert "Traceback" not in terminal.seen


def test_a_second_signal_ends_it_while_the_end_is_compared() -> None:
    """The feed has nothing to say to the second connection."""
    served: list[Subscribe] = []
    asked = Event()

    def stalling(peer: ServerConnection) -> None:
        send(peer, WELCOME)
        for own in subscribes(peer):
            if served:
                asked.set()
                continue
            served.append(own)
            send(peer, Subscribed(dict.fromkeys(own.channels, own.symbols), id=own.id))
            send(peer, quotes()[0])

    with listening(stalling) as url, Terminal(url) as terminal:
        terminal.until("ticks 1 ")
        terminal.process.send_signal(signal.SIGINT)
        assert asked.wait(20)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(20) == 1
    assert "interrupted before the end was compared" in terminal.seen


def test_how_long_it_took_to_compare_the_end_is_not_among_the_seconds_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told, passed = list[str](), list[float]()
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + sum(passed))
    monkeypatch.setattr(check, "time", clock)

    async def settle(own: check.Check, _: object) -> None:
        told.append(own.report())
        passed.append(60.0)

    monkeypatch.setattr(check.Check, "_settle", settle)
    with feed_that_is(honest) as url:
        verified(monkeypatch, url, "--symbols", "A", "--seconds", "0.4")
    [before], after = told, capsys.readouterr().out
    assert after.split(":")[0] == before.split(":")[0]
