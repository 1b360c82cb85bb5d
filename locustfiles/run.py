"""What the users of one process share, and how what they counted is handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from feed.client.commands import Positions
from feed.clock import SystemClock
from feed.symbols import is_wildcard, matches
from locustfiles.account import Account
from locustfiles.clock_offset import ClockOffset
from locustfiles.generator import Watch
from locustfiles.options import Options, read
from locustfiles.tally import Tally
from locustfiles.universe import Popularity


class User(Protocol):
    """A user, as its run sees it."""

    def ping(self) -> None: ...
    def look_after(self) -> None: ...
    def on_stop(self) -> None: ...


class Run:
    """One run in one process.

    Attributes:
        options: what it is about.
        given: the same as the scenarios' own options, as they were given.
        universe: the symbols there are.
        users: those that have connected.
        newest: how far the streams had come when all users were to leave.
        beginners: those that do not have yet what they begin with.
        tally: what was counted since the last second.
        total: what was counted before: of this process, or, on a master, of all.
        spawned: whether every user has started.
    """

    def __init__(self) -> None:
        self.options = Options()
        self.given: Mapping[str, Any] = {}
        self.universe: list[str] = []
        self.newest: Positions | None = None
        self.users: set[User] = set()
        self.beginners: set[User] = set()
        self.tally = Tally()
        self.total = Tally()
        self.spawned = False
        self.most_users = 0
        self.offset = ClockOffset()
        self.watch = Watch()
        self._steady = False
        self._kept = True
        self._popularity: Popularity | None = None

    def begin(self, given: Mapping[str, Any]) -> None:
        """Forget the run before.

        Raises:
            SettingError: an option has a value that is not allowed.
        """
        self.options, self.given = read(given), given
        self.tally.take()
        self.total.take()
        self.spawned = False
        self.newest = None
        self.most_users = 0
        self.offset = ClockOffset()
        self.watch = Watch()
        self._steady = False
        self._kept = not given.get("reset_stats")
        self._popularity = None

    def account(
        self, figure: str, expected: frozenset[str], done: Callable[[str, float], None]
    ) -> Account:
        """Open the account of a user."""
        return Account(
            self.tally,
            self.options,
            self.offset,
            SystemClock(),
            figure=figure,
            expected=expected,
            done=done,
        )

    def matching(self, patterns: Iterable[str]) -> set[str]:
        """Give the symbols that names and patterns take."""
        names = set(patterns)
        wild = {name for name in names if is_wildcard(name)}
        taken = {own for own in self.universe if any(matches(each, own) for each in wild)}
        return taken | (names - wild)

    def draw(self, count: int, without: Sequence[str] = ()) -> list[str]:
        """Choose symbols for a user, popular ones more often."""
        if self._popularity is None:
            self._popularity = Popularity(self.universe, self.options.zipf)
        return self._popularity.draw(count, without)

    def second(self, name: str) -> Tally:
        """Give what was counted in the last second or so, by the load generator of this name."""
        before_s = self.watch.wall_s
        load = self.watch.take()
        recent = self.tally.take()
        was_steady, self._steady = self._steady, self.spawned and not self.beginners
        if was_steady:
            load.steady_ticks, load.steady_s = recent.ticks, self.watch.wall_s - before_s
            self._kept = True
        if not self._kept:
            recent.histograms.clear()
        load.offset = str(self.offset)
        recent.loads[name] = load
        self.total.merge(recent)
        return recent


RUN = Run()


def stream_url(host: str) -> str:
    """Give the address of the stream of a host, as Locust is told it."""
    text = host.rstrip("/")
    if "://" not in text:
        text = f"ws://{text}"
    return text.replace("http", "ws", 1) if text.startswith("http") else text


def http_url(host: str, path: str) -> str:
    """Give the address of something else on the same host."""
    parts = urlsplit(stream_url(host))
    return f"{parts.scheme.replace('ws', 'http', 1)}://{parts.netloc}{path}"
