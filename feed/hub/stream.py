"""The unit that is numbered: one channel of one symbol, as this node sees it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from feed.protocol.codec import tick_of
from feed.ticks import EVENT_CHANNELS, Tick

if TYPE_CHECKING:
    from feed.hub.cohort import Cohort
    from feed.hub.interval import Interval

_NONE: Final[deque[bytes]] = deque(maxlen=0)
_KEEP_NONE: Final = _NONE.append


class Stream:
    """Its newest tick, and who is owed the next one.

    Attributes:
        seq: of the newest tick; 0 before the first.
        newest: the newest tick as the journal has it, or None.
        recent: the newest ticks, as many as the journal keeps, oldest first, none missing: each
            as it went out, or packed.
        keep: the append of `recent`.
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
        "keep",
        "latest",
        "newest",
        "recent",
        "seq",
        "symbol",
        "takers",
    )

    def __init__(self, channel: str, symbol: str) -> None:
        self.channel = channel
        self.symbol = symbol
        self.seq = 0
        self.newest: bytes | None = None
        self.recent = _NONE  # names that never tick must cost little
        self.keep = _KEEP_NONE
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
        return self.seq > 0 or self.recent is not _NONE

    @property
    def unused(self) -> bool:
        """Whether it has neither a tick nor a subscriber."""
        return not (self.seq or self.cohorts or self.latest)

    def __repr__(self) -> str:
        return f"Stream({self.channel} {self.symbol} seq={self.seq})"
