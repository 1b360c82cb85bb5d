"""Where ticks enter the feed: each gets its stream's next `seq` and the time of publishing."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from feed.clock import Clock
from feed.hub.index import Index
from feed.hub.path import stamp
from feed.hub.stream import Stream
from feed.ticks import Tick


def new_epoch() -> str:
    """Make a label for one numbering; random, so that two numberings never share one."""
    return secrets.token_hex(4)


class Tickerplant:
    """Stamps every tick and hands it on, one burst at a time.

    The numbering is the streams' own: a stream's next tick gets its `seq` + 1.

    Args:
        index: finds each tick's stream.
        forward: takes each stamped burst with its streams, one for each tick; the bus, or on a
            single node the hub itself.
        clock: gives `ts_out`; one reading serves a whole burst.
    """

    def __init__(
        self, index: Index, forward: Callable[[list[Tick], list[Stream]], None], clock: Clock
    ) -> None:
        self.epoch = new_epoch()
        self._by_kind = index.by_kind
        self._stream_of = index.stream_of
        self._forward = forward
        self._clock = clock

    def publish(self, ticks: list[Tick]) -> None:
        """Number a burst per stream, +1 for every tick, stamp it and hand it on."""
        if not ticks:
            return
        ts_out = self._clock.now_ns()
        self._forward(ticks, stamp(ticks, self._by_kind, self._stream_of, ts_out))
