"""The streams that one cohort takes at one interval, and which of them have ticked since.

A stream tells of its next tick once, and is asked again when that was taken. So a stream that ticks
often costs no more than one that ticks now and then, and nobody searches for those that did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from feed.hub.cohort import Cohort
    from feed.hub.stream import Stream


class Interval:
    """What one cohort is to be given, at most once per interval.

    Args:
        woken: told when there is something to take, after there was nothing.

    Attributes:
        cohort: whose members take it.
        interval_s: how long they wait at least.
        ticked: the streams that have told, in that order.
        due_s: when they may take again, on the clock of whoever serves them.
    """

    __slots__ = ("_woken", "cohort", "due_s", "interval_s", "ticked")

    def __init__(self, cohort: Cohort, interval_ms: int, woken: Callable[[Interval], None]) -> None:
        self.cohort = cohort
        self.interval_s = interval_ms / 1000
        self.due_s = 0.0
        self._woken = woken
        self.ticked: dict[Stream, None] = {}

    def ask(self, streams: Iterable[Stream]) -> None:
        """Want to be told of the next tick of those that the cohort still takes here."""
        taken = self.cohort.latest
        for stream in streams:
            if taken.get(stream) is self:
                stream.asked[self] = None
                stream.takers = None

    def tell(self, stream: Stream) -> None:
        """Take note that a stream has ticked."""
        if not self.ticked:
            self._woken(self)
        self.ticked[stream] = None

    def forget(self, stream: Stream) -> None:
        """Leave a stream out from now on."""
        stream.asked.pop(self, None)
        self.ticked.pop(stream, None)

    def take(self) -> list[Stream]:
        """Give the streams that have ticked; the caller is to `ask` them before it reads them."""
        ticked, self.ticked = self.ticked, {}
        return list(ticked)
