"""The ticks that a program holds of a feed: written by the thread that reads, read by any other."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Final

from feed.errors import SettingError
from feed.tape.ring import COLUMNS, Codes, Columns, Ring
from feed.ticks import CHANNEL_OF, Tick

LOOK_INTERVAL_S: Final = 0.5
"""How often somebody who waits looks whether the sources have ended."""

QUIET_LOOKS: Final = 4
"""So many times in a row they must have ended, and nothing come: publishers may be left."""


def check_count(name: str, value: object, least: int) -> None:
    """Raise a SettingError where a value is no whole number, or too small a one."""
    if not isinstance(value, Integral) or value < least:
        raise SettingError(name, f"must be a whole number of {least} or more, was {value!r}")


def _check_seconds(value: object) -> None:
    if not (isinstance(value, Real) and float(value) >= 0):
        raise SettingError("seconds", f"must be a number of 0 or more, was {value!r}")


class Held:
    """The ticks held of every channel, and those who wait for more; one thread takes them in.

    Args:
        max_ticks: how many of each channel; None is all.
        numberings: each epoch with the count of ticks before its first; it grows before they come.

    Attributes:
        count: how many have ever come.
    """

    def __init__(self, max_ticks: int | None, numberings: Sequence[tuple[int, str]] = ()) -> None:
        if max_ticks is not None:
            check_count("max_ticks", max_ticks, 1)
        self.symbols = Codes()
        epochs = Codes()
        self._rings = {kind: Ring(kind, self.symbols, max_ticks, epochs=epochs) for kind in COLUMNS}
        self.count = 0
        self._numberings = numberings
        self._begun = 0
        self._awaited: float = math.inf
        self._ended = False
        self._reached = threading.Condition()

    def columns(self, kind: type) -> Columns:
        """Give the ticks of a kind."""
        return self._rings[kind].columns

    def newer(self, kind: type, total: int) -> tuple[Columns, int]:
        """Give the ticks of a kind that came after so many, and how many have come by now.

        It is for the thread that takes them in.
        """
        ring = self._rings[kind]
        columns = ring.columns
        fresh = min(ring.total - total, len(columns))
        return columns.take(slice(len(columns) - fresh, None)), ring.total

    def by_channel(self) -> list[tuple[str, Ring]]:
        """Give the rings that hold anything, by channel."""
        return [(CHANNEL_OF[kind], ring) for kind, ring in self._rings.items() if len(ring)]

    def take(self, ticks: list[Tick]) -> None:
        """Append ticks in the order they came."""
        while ticks:
            epoch, number = self._numbering()
            own, ticks = (ticks, []) if number is None else (ticks[:number], ticks[number:])
            self._append(own, epoch)
        if self.count >= self._awaited:
            self._let_go()

    def _numbering(self) -> tuple[str, int | None]:
        """Give the epoch of the next tick, and how many are left of it if another has begun."""
        begun = self._numberings
        while self._begun < len(begun) and begun[self._begun][0] <= self.count:
            self._begun += 1
        epoch = begun[self._begun - 1][1] if self._begun else ""
        return epoch, begun[self._begun][0] - self.count if self._begun < len(begun) else None

    def _append(self, ticks: list[Tick], epoch: str) -> None:
        kinds = set(map(type, ticks))
        for kind in kinds:
            own = ticks if len(kinds) == 1 else [tick for tick in ticks if type(tick) is kind]
            self._rings[kind].extend(own, epoch)
        self.count += len(ticks)

    def end(self) -> None:
        """Let everybody go who waits: no more will come."""
        self._ended = True
        self._let_go()

    def _let_go(self) -> None:
        with self._reached:
            self._awaited = math.inf
            self._reached.notify_all()

    def wait(
        self,
        n: int | None,
        seconds: float | None,
        quiet: Callable[[], bool],
        *,
        since: int | None = None,
    ) -> int:
        """Wait for so many ticks, or until time is up or none will come; gives how many came.

        Args:
            n: how many; None is more than will ever come.
            seconds: how long; None is without end.
            quiet: tells, from time to time, whether the sources have ended.
            since: the count to begin at; None is the present one.

        Raises:
            SettingError: n or seconds is not allowed.
        """
        if n is not None:
            check_count("n", n, 0)
        if seconds is not None:
            _check_seconds(seconds)
        first, quiet_looks = self.count if since is None else since, 0
        wanted = math.inf if n is None else first + n
        deadline_s = math.inf if seconds is None else time.monotonic() + seconds
        while not self._ended and self.count < wanted and quiet_looks < QUIET_LOOKS:
            before, left_s = self.count, deadline_s - time.monotonic()
            if left_s <= 0:
                break
            self._pause(wanted, min(left_s, LOOK_INTERVAL_S))
            is_quiet = n is not None and self.count == before and quiet()
            quiet_looks = quiet_looks + 1 if is_quiet else 0
        return self.count - first

    def _pause(self, wanted: float, seconds: float) -> None:
        with self._reached:
            self._awaited = min(self._awaited, wanted)
            if not self._ended and self.count < wanted:
                self._reached.wait(seconds)
