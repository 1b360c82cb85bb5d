from __future__ import annotations

import argparse
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from feed.cli import tail
from feed.protocol.codec import encode, read_command
from feed.protocol.messages import Rejection, Snapshot, Subscribe, Subscribed, Welcome
from feed.ticks import Quote, Tick, Trade

AT = 1_610_064_000_123_456_789


def talk(peer: ServerConnection) -> None:
    """Serve A and B: their snapshots, then four ticks in a batch; anything else is rejected.

    Bars and status are nobody's here.
    """
    send: Callable[[Any], None] = lambda message: peer.send(encode(message).decode())  # noqa: E731
    send(Welcome(1, "s", "e", 5, "none"))
    held: dict[str, list[str]] = {}
    for message in peer:
        command = read_command(message if isinstance(message, bytes) else message.encode())
        assert isinstance(command, Subscribe)
        known = [symbol for symbol in command.symbols if symbol in ("A", "B", "*")]
        unknown = [symbol for symbol in command.symbols if symbol not in known]
        rejected = [Rejection(symbol, "unknown_symbol", "no source") for symbol in unknown]
        channels = [own for own in command.channels if own in ("quotes", "trades")]
        if channels != command.channels:
            rejected += [Rejection(symbol, "not_entitled", "not on all") for symbol in known]
        held.update(dict.fromkeys(channels, known) if known else {})
        send(Subscribed(held, id=command.id, rejected=rejected))
        if known and channels:
            send(Snapshot("A", dict.fromkeys(channels, 0)))
            send([tick for tick in TICKS if f"{type(tick).__name__.lower()}s" in command.channels])


TICKS: list[Tick] = [
    Quote("A", 1, AT, 1.0, 1, 1.5, 1, 0),
    Trade("A", 1, AT, 1.25, 1, 0),
    Quote("B", 1, AT, 1.0, 1, 1.5, 1, 0),
    Trade("B", 1, AT, 1.25, 1, 0),
]


@pytest.fixture
def url() -> Iterator[str]:
    def handle(peer: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            talk(peer)

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "feed", "tail", *arguments]


def feed_tail(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, **environment},
    )


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    tail.add(parser.add_subparsers())
    return parser.parse_args(["tail", *arguments])


def test_piped_it_prints_a_line_for_each_tick_and_stops_at_the_count(url: str) -> None:
    done = feed_tail("--url", url, "--count", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert [text.split()[1:3] for text in done.stdout.splitlines()] == (
        [["quote", "A"], ["trade", "A"], ["quote", "B"]]
    )


def test_json_is_the_ticks_of_the_wire_and_the_url_may_come_from_the_environment(
    url: str,
) -> None:
    done = feed_tail("--json", "--channels", "trades", "--count", "2", FEED_URL=url)
    assert done.stdout.encode().splitlines() == [encode(TICKS[1]), encode(TICKS[3])]


def test_unknown_symbols_are_named_and_the_others_watched(url: str) -> None:
    done = feed_tail("A", "X", "Y", "--url", url, "--count", "1")
    assert done.returncode == 0
    assert done.stderr == "feed: not subscribed: X: no source; Y: no source\n"


def test_it_fails_when_no_symbol_is_known(url: str) -> None:
    done = feed_tail("X", "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "feed: not subscribed: X: no source\n"


def test_a_symbol_that_is_refused_on_one_channel_is_watched_on_the_others(url: str) -> None:
    done = feed_tail("--url", url, "--channels", "bars,quotes", "--count", "2")
    assert (done.returncode, done.stderr) == (0, "feed: not subscribed: *: not on all\n")
    assert [text.split()[1:3] for text in done.stdout.splitlines()] == (
        [["quote", "A"], ["quote", "B"]]
    )


def test_the_table_too_names_what_is_refused_on_one_channel(url: str) -> None:
    arguments = command("--url", url, "--channels", "bars,quotes", "--count", "2")
    with terminal() as (outer, inner):
        env = {**os.environ, "TERM": "xterm-256color"}
        process = subprocess.Popen(arguments, stdout=inner, stderr=subprocess.PIPE, env=env)
        os.close(inner)
        with suppress(OSError):  # EIO: the terminal's other side is closed
            while os.read(outer, 65_536):
                pass
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, b"feed: not subscribed: *: not on all\n")


def test_it_fails_when_no_symbol_is_sent_on_any_channel(url: str) -> None:
    done = feed_tail("A", "--url", url, "--channels", "bars,status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "feed: not subscribed: A: not on all\n"


def test_a_server_that_is_not_there_is_one_line() -> None:
    done = feed_tail("--url", "ws://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr == (
        "feed: cannot connect to ws://127.0.0.1:9: connection refused (is `feed serve` running?)\n"
    )


def test_a_reader_that_leaves_is_no_error(url: str) -> None:
    with subprocess.Popen(
        command("--url", url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait(20) in (0, 130)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_without_a_traceback(url: str, sent: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        command("--url", url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(sent)
        assert process.wait(20) == code
        assert process.stderr.read() == ""


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    outer, inner = pty.openpty()
    try:
        yield outer, inner
    finally:
        os.close(outer)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_on_a_terminal_it_is_a_table_and_leaves_the_cursor_on(
    url: str, sent: signal.Signals, code: int
) -> None:
    with terminal() as (outer, inner):
        env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24"}
        process = subprocess.Popen(command("--url", url), stdout=inner, stderr=inner, env=env)
        os.close(inner)
        seen = b""
        while b"1.25" not in seen or b"B" not in seen:
            seen += os.read(outer, 65_536)
        process.send_signal(sent)
        with suppress(OSError):  # EIO: the terminal's other side is closed
            while more := os.read(outer, 65_536):
                seen += more
        assert process.wait(20) == code
    text = seen.decode()
    assert "● live" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert text.rindex("\x1b[?1049l") > text.rindex("\x1b[?1049h")
    assert "Traceback" not in text


def test_the_defaults_are_quotes_and_trades_of_every_symbol() -> None:
    args = parse()
    assert (args.symbols, args.channels, args.count, args.json) == (
        [],
        ["quotes", "trades"],
        None,
        False,
    )


@pytest.mark.parametrize(
    "arguments",
    [("--channels", "quote"), ("--count", "0"), ("--count", "1e3"), ("--delivery", "x")],
)
def test_a_bad_argument_is_refused(arguments: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert caught.value.code == 2


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--help")
    assert "feed tail AAPL MSFT" in capsys.readouterr().out
