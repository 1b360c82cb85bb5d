"""What may be done to a source while it plays: pause, resume, another speed, single steps, a seek.

Whoever is in charge changes the controls; the player looks at them before every burst, and is woken
when they change. A private replay would have controls of its own, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from feed.errors import SettingError


class Controls:
    """The wishes of whoever is in charge of one source.

    Attributes:
        speed: tape seconds per second; 0 is as fast as possible.
        paused: whether nothing is to be published but steps.
        steps: how many ticks are to be published nevertheless.
        target_ns: where to go on from, or None.
        seekable: whether it can go elsewhere at all.

    Raises:
        SettingError: the speed is not 0 or more.
    """

    def __init__(self, speed: float, *, seekable: bool) -> None:
        check_speed(speed)
        self.speed = speed
        self.paused = False
        self.steps = 0
        self.target_ns: int | None = None
        self.seekable = seekable
        self._wake: Callable[[], None] = _nothing
        self._restart: Callable[[], None] = _nothing
        self._arrived = True
        self._sought = asyncio.Event()
        self._done = asyncio.Event()

    def pause(self) -> None:
        """Publish nothing more."""
        self.paused, self.steps = True, 0
        self._settle()
        self._wake()

    def resume(self) -> None:
        """Go on where it was paused."""
        self.paused, self.steps = False, 0
        self._settle()
        self._wake()

    def play_at(self, speed: float) -> None:
        """Go on at another speed.

        Raises:
            SettingError: it is no speed.
        """
        check_speed(speed)
        self.speed = speed
        self._wake()

    def step(self, count: int) -> None:
        """Publish so many ticks now, and pause."""
        self.steps = count + (self.steps if self.paused else 0)
        self.paused = True
        self._done.clear()
        self._wake()

    def seek(self, ts_event: int) -> None:
        """Go on from the first tick at or after a time, be it ahead or behind."""
        self.target_ns = ts_event
        self.steps, self._arrived = 0, False
        self._sought.set()
        self._done.clear()
        self._wake()

    async def sought(self) -> None:
        """Wait until a seek is wanted."""
        await self._sought.wait()

    async def done(self) -> None:
        """Wait until seeks and steps are done, or no steps will come."""
        await self._done.wait()

    def on_arrival(self, restart: Callable[[], None]) -> None:
        """Be told of each seek that is done, between two bursts: the next one is from elsewhere."""
        self._restart = restart

    # The player's side

    def on_change(self, wake: Callable[[], None]) -> None:
        """Have the player woken when something changes."""
        self._wake = wake

    def take_target(self) -> int | None:
        """Give where to begin, once."""
        target_ns, self.target_ns = self.target_ns, None
        self._sought.clear()
        return target_ns

    def arrive(self) -> None:
        """Tell that the next burst is from the position sought."""
        self._restart()
        self._arrived = self.target_ns is None
        self._settle()

    def stepped(self, count: int) -> None:
        """Tell that so many of the steps are done."""
        self.steps = max(0, self.steps - count)
        self._settle()

    def end(self) -> None:
        """Tell that there is nothing left to play."""
        self.steps, self._arrived = 0, self.target_ns is None
        self._settle()

    def _settle(self) -> None:
        if self._arrived and not self.steps:
            self._done.set()


def _nothing() -> None:
    """Do nothing, where nobody cares."""


def check_speed(speed: float) -> None:
    """Raise a SettingError for what is no speed."""
    if not 0 <= speed < float("inf"):
        raise SettingError(
            "speed", f"must be 0 or more, was {speed:g} (0 means as fast as possible)"
        )
