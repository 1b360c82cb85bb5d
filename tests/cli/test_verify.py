from __future__ import annotations

import argparse
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urljoin

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from feed.cli import verify
from feed.protocol.codec import encode, read_command
from feed.protocol.messages import Rejection, Snapshot, Subscribe, Subscribed, Welcome
from feed.ticks import Quote, Tick
from tests.integration.running import run, serving, wait_for
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


@contextmanager
def feed_that_is(kind: Callable[[list[Tick]], list[Tick]]) -> Iterator[str]:
    """Serve quotes of A, once, and say nothing more; any other symbol is rejected."""
    published: list[Tick] = []

    def talk(peer: ServerConnection) -> None:
        send: Callable[[object], None] = lambda message: peer.send(encode(message).decode())  # noqa: E731
        send(Welcome(1, "s", "e", 5, "none"))
        for message in peer:
            command = read_command(message if isinstance(message, bytes) else message.encode())
            assert isinstance(command, Subscribe)
            unknown = [own for own in command.symbols if own not in ("A", "*")]
            rejected = [Rejection(own, "unknown_symbol", "no source") for own in unknown]
            known = [own for own in command.symbols if own not in unknown]
            held = dict.fromkeys(command.channels, known) if known else {}
            send(Subscribed(held, id=command.id, rejected=rejected))
            if known:
                send(Snapshot("A", {"quotes": len(published)}))
                ticks = [] if published else kind(quotes())
                published[:] = quotes()
                for start in range(0, len(ticks), 100):
                    send(ticks[start : start + 100])

    def handle(peer: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            talk(peer)

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "feed", "verify", *arguments]


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


def verified(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run it in this process, where it waits for what is missing less long."""
    monkeypatch.setattr(verify, "CATCH_UP_S", 0.5)
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
    market = ("--simulate", "20", "--rate", "2000")
    with serving(tmp_path, *market) as feed, broken(feed.port, Silencing) as url:
        assert verified(monkeypatch, url, "--seconds", "1") == 1
    (bad,) = capsys.readouterr().out.splitlines()[1:]
    assert bad.startswith("bad: 1 silent: ")


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


def test_a_real_feed_that_is_dropped_again_and_again_is_good(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "AAPL,MSFT,IBM", "--rate", "5000") as feed:
        options = ("--seconds", "1.5", "--reconnect-every", "0.4", "--delivery", "all")
        done = feed_verify(feed.url, "--symbols", "AAPL,M*", *options)
    counts, verdict = done.stdout.splitlines()
    assert (done.returncode, verdict) == (0, "good: every seq is accounted for")
    assert "streams 4  " in counts
    assert "resumed 0" not in counts
    assert "reconnects 0" not in counts


def ticks_out(url: str) -> float:
    """Give how many quotes and trades a feed has sent."""
    with urllib.request.urlopen(urljoin(f"http:{url[3:]}", "/metrics"), timeout=10) as answer:
        text = answer.read().decode()
    return sum(map(float, re.findall(r"feed_ticks_out_total{.*(?:quotes|trades).*} (\S+)", text)))


def test_what_a_client_cannot_see_for_lack_of_a_connection_is_not_good(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "AAPL", "--rate", "100") as feed:
        checking = subprocess.Popen(command(feed.url), stdout=subprocess.PIPE, text=True)
        wait_for(lambda: ticks_out(feed.url) > 0, "ticks have come")
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
    outer, inner = pty.openpty()
    with feed_that_is(forgetful) as url:
        env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"}
        process = subprocess.Popen(command(url), stdout=inner, stderr=inner, env=env)
        os.close(inner)
        seen = b""
        while b"missing 4" not in seen:
            seen += os.read(outer, 65_536)
        process.send_signal(sent)
        with suppress(OSError):  # EIO: the terminal's other side is closed
            while more := os.read(outer, 65_536):
                seen += more
        assert process.wait(20) == 1
    os.close(outer)
    text = seen.decode()
    assert text.lstrip().startswith("1 s  ticks 4,996")
    assert "bad: 4 missing" in text
    assert "Traceback" not in text


def test_a_server_that_is_not_there_is_one_line() -> None:
    done = feed_verify("ws://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("feed: cannot connect to ws://127.0.0.1:9: connection refused")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--symbols", "A,,B"),
        ("--channels", "quote"),
        ("--seconds", "0"),
        ("--seconds", "nan"),
        ("--reconnect-every", "soon"),
        ("--delivery", "latest"),
    ],
)
def test_a_bad_argument_is_refused(arguments: tuple[str, str]) -> None:
    parser = argparse.ArgumentParser()
    verify.add(parser.add_subparsers())
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["verify", *arguments])
    assert caught.value.code == 2


def test_a_url_that_is_none_is_misuse_and_help_has_examples() -> None:
    assert feed_verify("http://127.0.0.1").returncode == 2
    assert "feed verify --reconnect-every 2" in feed_verify("--help").stdout
