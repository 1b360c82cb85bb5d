"""The unit that is numbered: one channel of one symbol, as this node sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feed.hub.path import Held
from feed.protocol.codec import tick_of
from feed.ticks import EVENT_CHANNELS, Tick

if TYPE_CHECKING:
    from feed.hub.cohort import Cohort
    from feed.hub.interval import Interval


class Stream(Held):
    """Its recent ticks, each as it went out or packed, and who is owed the next one.

    Attributes:
        is_event: whether each tick counts (trades), or a newer one replaces it.
        cohorts: those that are owed each tick; kept by the index.
        latest: the cohorts that take its newest tick at an interval.
        asked: those of their intervals that want to be told of the next tick.
        takers: `cohorts` as the path of a tick wants them; None when they have changed.
    """

    __slots__ = (
        "asked",
        "channel",
        "cohorts",
        "is_event",
        "latest",
        "symbol",
        "takers",
    )

    def __init__(self, channel: str, symbol: str) -> None:
        super().__init__()
        self.channel = channel
        self.symbol = symbol
        self.is_event = channel in EVENT_CHANNELS
        self.cohorts: dict[Cohort, None] = {}
        self.latest: dict[Cohort, None] = {}
        self.asked: dict[Interval, None] = {}
        self.takers: tuple[Cohort, ...] | None = ()

    def find_takers(self) -> tuple[Cohort, ...]:
        """Make `takers` again, with the next tick after something has changed, and tell of it."""
        if self.asked:
            asked, self.asked = self.asked, {}
            for interval in asked:
                interval.tell(self)
        self.takers = tuple(self.cohorts)
        return self.takers

    @property
    def last(self) -> Tick | None:
        """The newest tick, made anew at each call, or None."""
        return None if self.newest is None else tick_of(self.newest)

    @property
    def ticked(self) -> bool:
        """Whether it ever had a tick, be it in an earlier numbering."""
        return self.seq > 0 or self.opened

    @property
    def unused(self) -> bool:
        """Whether it has neither a tick nor a subscriber."""
        return not (self.seq or self.cohorts or self.latest)

    def __repr__(self) -> str:
        return f"Stream({self.channel} {self.symbol} seq={self.seq})"
