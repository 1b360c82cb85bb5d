"""What somebody wants of the log, and where in it something is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from feed.ticks import Bar, Tick

_POSITION: Final = re.compile(r"([0-9a-z]{1,32}):([0-9]{1,18})")


class Position(NamedTuple):
    """A place in the log of one stream; written `EPOCH:SEQ`."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"


def read_position(text: str) -> Position:
    """Read what `str` of a position gives.

    Raises:
        ValueError: the text is none.
    """
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ValueError("must be EPOCH:SEQ, the `next` of an earlier page")
    return Position(found[1], int(found[2]))


@dataclass(frozen=True, slots=True)
class Want:
    """Ticks of one stream.

    Attributes:
        limit: how many at most.
        first: where to begin; None means the newest ticks, or the oldest from `from_ns` on.
        from_ns: leaves out ticks with an earlier `ts_event`.
        to_ns: leaves out ticks with this `ts_event` or a later one.
        interval: leaves out other bars.
        until_ns: leaves out ticks with a later `ts_out`: how far a delayed principal may look.
    """

    channel: str
    symbol: str
    limit: int
    first: Position | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    interval: str | None = None
    until_ns: int | None = None

    @property
    def is_newest(self) -> bool:
        """Whether it is the end of the log that is wanted."""
        return self.first is None and self.from_ns is None

    @property
    def takes_all(self) -> bool:
        """Whether no tick is left out."""
        bounds = (self.from_ns, self.to_ns, self.interval, self.until_ns)
        return all(own is None for own in bounds)

    def pick(self, ticks: list[Tick]) -> list[Tick]:
        """Give those that are wanted."""
        return ticks if self.takes_all else [own for own in ticks if self._takes(own)]

    def _takes(self, tick: Tick) -> bool:
        if self.interval is not None and isinstance(tick, Bar) and tick.interval != self.interval:
            return False
        if self.from_ns is not None and tick.ts_event < self.from_ns:
            return False
        if self.to_ns is not None and tick.ts_event >= self.to_ns:
            return False
        return self.until_ns is None or tick.ts_out <= self.until_ns
