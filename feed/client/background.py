"""A feed in a process of its own, started from a notebook or a script, that ends with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

import feed
from feed.errors import BackgroundError

STOP_TIMEOUT_S: Final = 35.0
"""A feed that stops waits for its sessions: 30 s, unless `drain_timeout_s` says otherwise."""

_RUNNING: Final[set[BackgroundFeed]] = set()
"""Whoever only keeps the URL keeps the feed as well."""


def serve_in_background(*, port: int = 0, **settings: Any) -> BackgroundFeed:
    """Start a feed beside this program: `server = feed.serve_in_background(simulate=300)`.

    It is `feed serve` in a process of its own, so it shares neither the interpreter nor the
    interrupts of a notebook. It runs until it is stopped or this program ends, in whatever way.

    Args:
        port: 0 takes a free one.
        settings: those of docs/SETTINGS.md by name, such as `replay="ticks.csv.gz"`, `speed=10`,
            `loop=True`, `map={"bid": "B1"}` or `anonymous_publish="*"`; by default it replays the
            shipped tape.

    Raises:
        BackgroundError: it did not start, for the reason that it gave itself.
    """
    return BackgroundFeed({"port": port, **settings})


class BackgroundFeed:
    """A running feed; a context manager that stops it.

    Attributes:
        url: of its stream, for `feed.Live` and `feed.connect`.
        page: the address of its dashboard.
        pid: of its process.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._log, path = tempfile.mkstemp()
        weakref.finalize(self, os.close, self._log)
        os.unlink(path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "feed", "serve", "--stop-on-eof", *flags(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": _python_path(), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # a notebook's interrupt goes to its whole process group
        )
        self._finish = weakref.finalize(self, _stop, self._process, os.getpid())
        self.pid = self._process.pid
        try:
            self.url, self.page = self._addresses()
        except BaseException:
            self.stop()
            raise
        _RUNNING.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<feed {self.url} {'running' if self.running else 'stopped'}>"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2].partition("/")[0])

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has logged."""
        size = os.fstat(self._log).st_size
        return os.pread(self._log, size, 0).decode(errors="replace")

    def stop(self) -> None:
        """Stop it as SIGTERM does, and wait until it has told its clients and gone."""
        self._finish()
        _RUNNING.discard(self)

    def _addresses(self) -> tuple[str, str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        found = re.search(r"(http://\S+) \(stream (ws://\S+)\)", line)
        if found is None:
            self._process.wait(STOP_TIMEOUT_S)
            said = self.log.strip().splitlines() or [f"it said {line!r}"]
            raise BackgroundError(f"cannot start a feed: {said[-1].removeprefix('feed: ')}")
        return found[2], found[1]


def flags(settings: Mapping[str, Any]) -> Iterator[str]:
    """Give the flags of `feed serve` for settings by their names."""
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            yield flag
        elif isinstance(value, Mapping):
            yield from (f"{flag}={key}={own}" for key, own in value.items())
        elif isinstance(value, list | tuple):
            yield from (f"{flag}={own}" for own in value)
        elif value is not None and value is not False:
            yield f"{flag}={value}"


def _python_path() -> str:
    """Give a search path on which the process finds the same package as this program."""
    package = str(Path(feed.__file__).parents[1])
    return os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))


def _stop(process: subprocess.Popen[bytes], owner: int) -> None:
    if os.getpid() != owner:  # a fork of the program is at its end, not the program
        return
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
