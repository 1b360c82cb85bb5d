"""Where ticks enter the feed: each gets its stream's next `seq` and the time of publishing."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable

from feed.clock import Clock
from feed.hub.stream import Stream
from feed.ticks import CHANNEL_OF, Tick


def new_epoch() -> str:
    """Make a label for one numbering; random, so that two numberings never share one."""
    return secrets.token_hex(4)


class Tickerplant:
    """Stamps every tick and hands it on, one burst at a time.

    Args:
        forward: takes each stamped burst; the bus, or on a single node the hub itself.
        clock: gives `ts_out`; one reading serves a whole burst.
    """

    def __init__(self, forward: Callable[[list[Tick]], None], clock: Clock) -> None:
        self.epoch = new_epoch()
        self._forward = forward
        self._clock = clock
        self._seqs: dict[type, dict[str, int]] = {kind: defaultdict(int) for kind in CHANNEL_OF}

    def go_on(self, epoch: str, streams: Iterable[Stream]) -> None:
        """Continue a numbering where these streams left it."""
        self.epoch = epoch
        kinds = {channel: kind for kind, channel in CHANNEL_OF.items()}
        for stream in streams:
            self._seqs[kinds[stream.channel]][stream.symbol] = stream.seq

    def publish(self, ticks: list[Tick]) -> None:
        """Number a burst per stream, +1 for every tick, stamp it and hand it on."""
        if not ticks:
            return
        seqs = self._seqs
        ts_out = self._clock.now_ns()
        for tick in ticks:
            counter = seqs[tick.__class__]
            counter[tick.symbol] = tick.seq = counter[tick.symbol] + 1
            tick.ts_out = ts_out
        self._forward(ticks)
