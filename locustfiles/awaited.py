"""What is to come before a user is up to date, and how long that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from feed.clock import Clock
from feed.protocol.messages import Command, Subscribe


class Awaited:
    """The snapshots, or the ends of resumes, that a user waits for.

    Args:
        done: told of what was timed and has come, and how many seconds that took.

    Attributes:
        resuming: whether ticks that come may be those of a resume.
    """

    def __init__(self, clock: Clock, done: Callable[[str, float], None]) -> None:
        self.resuming = False
        self._clock = clock
        self._done = done
        self._name = ""
        self._since_s = 0.0
        self._due: set[tuple[str, str]] = set()  # ("", symbol) is a snapshot

    def __bool__(self) -> bool:
        return bool(self._due)

    def begin(self, name: str) -> None:
        """Take the time from now on, of what will be named next."""
        self._name, self._since_s = name, self._clock.monotonic_s()

    def snapshots(self, symbols: Iterable[str]) -> None:
        """Await the snapshots of these."""
        self._due = {("", symbol) for symbol in symbols}
        self.resuming = False

    def resumes(self, commands: Iterable[Command]) -> None:
        """Await the end of each resume that some commands ask for, by name or by pattern."""
        self._due = {
            (channel, symbol)
            for command in commands
            if isinstance(command, Subscribe) and command.resume is not None
            for channel in command.channels
            for symbol in getattr(command.resume, channel)
        }
        self.resuming = bool(self._due)

    def came(self, channel: str, symbol: str) -> None:
        """Take note of the end of a resume or, without a channel, of a snapshot."""
        if (channel, symbol) in self._due:
            self._due.remove((channel, symbol))
            if not self._due:
                self.resuming = False
                self._done(self._name, self._clock.monotonic_s() - self._since_s)
