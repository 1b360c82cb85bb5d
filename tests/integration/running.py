"""A feed in a process of its own, and a client of it that this project did not write."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0
STOP_S = 20.0
ANSWER_S = 10.0
TICK_TYPES = frozenset({"quote", "trade", "bar", "status"})

Message = dict[str, Any]


def environment() -> dict[str, str]:
    """Give this process's variables without settings of the feed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEED_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "feed", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run(
        command(*arguments),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=STOP_S,
        check=False,
    )


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = ANSWER_S) -> Any:
    """Give the condition's first true value."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {limit_s:g} s: {what}")


class Feed:
    """A running `feed serve`.

    Attributes:
        url: of the stream.
    """

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self._log_path = log_path
        assert process.stdout is not None
        self.url = self._address(process.stdout)

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    @property
    def resident_kib(self) -> int:
        """VmRSS, which the kernel of Linux tells."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def _address(self, out: IO[bytes]) -> str:
        ready, _, _ = select.select([out], [], [], START_S)
        line = out.readline().decode() if ready else ""
        assert "(stream ws" in line, f"no address, but {line!r} and the log {self.log}"
        return line.split("(stream ")[1].rstrip(")\n")


@contextmanager
def serving(
    folder: Path, *arguments: str, stderr: int | None = None, under: Sequence[str] = ()
) -> Iterator[Feed]:
    """Run `feed serve` on a free port; at the end it must go in peace and have logged no error.

    Args:
        under: a command that runs the command it is given.
    """
    log_path = folder / "feed.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*under, *command("serve", "--port", "0", *arguments)],
            stdout=subprocess.PIPE,
            stderr=log if stderr is None else stderr,
            env=environment(),
            cwd=folder,
        )
    try:
        feed = Feed(process, log_path)
        yield feed
        if process.poll() is None:
            assert feed.stop() == 0, feed.log
        assert "Traceback" not in feed.log, feed.log
        assert " ERROR " not in feed.log, feed.log
    finally:
        process.kill()
        process.wait(STOP_S)
        if process.stdout is not None:
            process.stdout.close()


class Client:
    """The PyPI package `websockets`, with the few words of the native protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.batches = 0
        self._ready: deque[Message] = deque()

    def send(self, **fields: Any) -> None:
        self.connection.send(orjson.dumps(fields).decode())

    def next(self) -> Message:
        """Give the next message; the ticks of a batch come one by one."""
        if not self._ready:
            value = orjson.loads(self.connection.recv(timeout=ANSWER_S))
            self.batches += isinstance(value, list)
            self._ready.extend(value if isinstance(value, list) else [value])
        return self._ready.popleft()

    def until(self, kind: str) -> tuple[Message, list[Message]]:
        """Give the next message of a type, and those that came before it."""
        before: list[Message] = []
        while (message := self.next())["type"] != kind:
            before.append(message)
        return message, before

    def ask(self, **fields: Any) -> tuple[Message, list[Message]]:
        """Subscribe or unsubscribe; gives the ack and what came before it."""
        self.send(**fields)
        return self.until("subscribed")

    def subscribe(self, *symbols: str, **fields: Any) -> Message:
        ack, _ = self.ask(type="subscribe", symbols=symbols, **fields)
        return ack

    def ticks(self, count: int) -> list[Message]:
        """Give the next ticks; whatever else comes in between is left out."""
        found: list[Message] = []
        while len(found) < count:
            message = self.next()
            if message["type"] in TICK_TYPES:
                found.append(message)
        return found


@contextmanager
def client(feed: Feed, *, batch: bool = False) -> Iterator[Client]:
    """Connect, and close in good order."""
    url = f"{feed.url}?batch=1" if batch else feed.url
    with connect(url, proxy=None, ping_interval=None, close_timeout=1) as connection:
        yield welcomed(connection)


@contextmanager
def stoppable(feed: Feed) -> Iterator[Client]:
    """Connect a client that leaves what it does not take in a small buffer of the kernel."""
    options: dict[str, Any] = {"sock": small_socket(feed.port), "max_queue": 1}
    url = f"{feed.url}?batch=1"
    with connect(url, proxy=None, ping_interval=None, **options) as connection:
        try:
            yield welcomed(connection)
        finally:
            connection.close_socket()  # it would wait for what it does not read


def welcomed(connection: ClientConnection) -> Client:
    found = Client(connection)
    welcome = found.next()
    assert (welcome["type"], welcome["protocol"]) == ("welcome", 1)
    return found


def small_socket(port: int) -> socket.socket:
    """Connect with a small receive buffer."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    sock.connect(("127.0.0.1", port))
    return sock


def by_stream(ticks: Sequence[Message]) -> dict[tuple[str, str], list[Message]]:
    """Sort ticks by type and symbol."""
    streams: dict[tuple[str, str], list[Message]] = {}
    for tick in ticks:
        streams.setdefault((tick["type"], tick["symbol"]), []).append(tick)
    return streams


def has_every_seq(ticks: Sequence[Message]) -> bool:
    """Tell whether the ticks of one stream are numbered +1 by +1."""
    seqs = [tick["seq"] for tick in ticks]
    return bool(seqs) and seqs == list(range(seqs[0], seqs[0] + len(seqs)))
