"""The unit that is numbered: one channel of one symbol, as this node sees it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from feed.ticks import EVENT_CHANNELS, Tick

if TYPE_CHECKING:
    from feed.hub.cohort import Cohort

Append = Callable[[bytes], None]

_NONE: Final[deque[Tick]] = deque(maxlen=0)


class Stream:
    """Its newest tick, and who is owed the next one.

    Attributes:
        seq: of the newest tick; 0 before the first.
        last: the newest tick, or None.
        heard: whether any cohort has its ticks pending; kept by the index.
        recent: the newest ticks, as many as the journal keeps, oldest first.
        is_event: whether each tick counts (trades), or a newer one replaces it.
        plain: for each cohort that takes one tick per message, the append of its pending frames.
        batched: likewise for cohorts that take batches, the append of their pending payloads.
        latest: the cohorts that take its newest tick at an interval.
    """

    __slots__ = (
        "batched",
        "channel",
        "heard",
        "is_event",
        "last",
        "latest",
        "plain",
        "recent",
        "seq",
        "symbol",
    )

    def __init__(self, channel: str, symbol: str) -> None:
        self.channel = channel
        self.symbol = symbol
        self.seq = 0
        self.last: Tick | None = None
        self.recent = _NONE  # names that never tick must cost little
        self.is_event = channel in EVENT_CHANNELS
        self.heard = False
        self.plain: dict[Cohort, Append] = {}
        self.batched: dict[Cohort, Append] = {}
        self.latest: dict[Cohort, None] = {}

    @property
    def unused(self) -> bool:
        """Whether it has neither a tick nor a subscriber."""
        return not (self.seq or self.plain or self.batched or self.latest)

    def __repr__(self) -> str:
        return f"Stream({self.channel} {self.symbol} seq={self.seq})"
