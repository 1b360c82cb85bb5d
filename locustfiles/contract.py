"""What the ledger cannot judge: excuses, renumbering, and ticks that are held back."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Final, NamedTuple

from feed.client.events import Disorder
from feed.protocol.messages import Delivery, Skipped
from feed.ticks import CHANNEL_OF, EVENT_CHANNELS, Tick

HELD_BACK_NS: Final = 50_000_000
"""How far a tick may be behind others of its connection: clocks are set by steps like that."""

_TS_OUT: Final = attrgetter("ts_out")
_AGE: Final = attrgetter("ts_out", "ts_event")


def pretext(skipped: Skipped, delivery: Delivery, *, publishes: bool) -> str | None:
    """Say what is wrong with a notice: its numbers, or a reason that this user cannot be given.

    Args:
        publishes: whether the user has published anything, which it is not sent itself.
    """
    kept = delivery == "all" or (delivery == "adaptive" and skipped.channel in EVENT_CHANNELS)
    span = f"{skipped.channel} {skipped.symbol} seq {skipped.first_seq} to {skipped.last_seq}"
    if skipped.count != skipped.last_seq - skipped.first_seq + 1:
        return f"{span}, which are not {skipped.count}"
    if skipped.reason == "conflated" and kept:
        return f"{span}, conflated in spite of {delivery}"
    if skipped.reason == "own" and not publishes:
        return f"{span}, as its own, and it published none"
    return None


class Order:
    """Whether the ticks of one connection come in the order in which the feed published them.

    They do, but for those of a resume, and where a slow session is given the newest state later.

    Args:
        delivery: the newest at an interval come in no order.

    Attributes:
        newest_ns: when the newest tick so far was published.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.newest_ns = -(10**19)
        self._off = delivery == "latest"
        self._mixed_until_ns = -(10**19)

    def off(self) -> None:
        """Expect no order on this connection any more."""
        self._off = True

    def mix(self, until_ns: int) -> None:
        """Expect ticks that waited for a resume, which was over by then, among newer ones."""
        self._mixed_until_ns = until_ns

    def held_back(self, ticks: list[Tick]) -> list[Tick]:
        """Give those that were published long before ticks which have come already."""
        oldest_ns = self.newest_ns - HELD_BACK_NS
        held = []
        if not self._off and min(map(_TS_OUT, ticks)) < oldest_ns:
            since_ns = self._mixed_until_ns
            held = [tick for tick in ticks if since_ns <= tick.ts_out < oldest_ns]
        self.newest_ns = max(self.newest_ns, max(map(_TS_OUT, ticks)))
        return held


class Repeat(NamedTuple):
    """A seq that came for the second time, and the newest tick of its stream by then."""

    event: Disorder
    newest: Tick | None

    def is_renumbered(self, ticks: Iterable[Tick]) -> bool:
        """Tell whether it came with a newer tick than the newest.

        Args:
            ticks: what was read, that tick among it; none where a notice repeated the seq.
        """
        newest, seq = self.newest, self.event.seq
        if newest is None or newest.seq < seq:  # a notice had taken the seq
            return False
        return any(
            tick.seq == seq
            and tick.symbol == self.event.symbol
            and CHANNEL_OF[type(tick)] == self.event.channel
            and _AGE(tick) > _AGE(newest)
            for tick in ticks
        )
