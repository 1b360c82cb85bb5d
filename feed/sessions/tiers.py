"""Which hub a session is served from: the live one, or a late one, by its principal's delay."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from feed.clock import Clock
from feed.hub.hub import Hub
from feed.hub.late import LateHub
from feed.hub.stream import Stream
from feed.protocol.messages import Skipped
from feed.sessions.intervals import Intervals
from feed.sessions.limits import Limits
from feed.sessions.snapshots import Snapshots


class Tier:
    """What the delivery of a session needs of its process."""

    def __init__(
        self,
        hub: Hub,
        clock: Clock,
        limits: Limits,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.hub = hub
        self.clock = clock
        self.limits = limits
        self.later = later
        self.snapshots = Snapshots(hub)
        hub.index.woken = Intervals(later, clock).wake


class Tiers:
    """One hub for each delay; those of 0 s have the live one.

    Args:
        told: tells every session of a hub that has a stream what is missing of it.
    """

    def __init__(self, live: Tier, told: Callable[[Hub, Stream, Skipped], None]) -> None:
        self._live = live
        self._told = told
        self._late: dict[int, Tier] = {}

    def of(self, delay_s: int) -> Tier:
        """Give the tier of a delay; one that is new begins with what the journal has of that time.

        Statistics then lack the trades before, so delays that are known are opened at the start.
        """
        if not delay_s:
            return self._live
        tier = self._late.get(delay_s)
        if tier is None:
            hub = LateHub(self._live.hub, delay_s, lambda *missing: self._tell(hub, *missing))
            tier = self._late[delay_s] = Tier(
                hub, self._live.clock, self._live.limits, self._live.later
            )
            while not hub.catch_up(self._live.clock.now_ns()):
                continue
        return tier

    def open(self, delays_s: Iterable[int]) -> None:
        """Open the tiers of some delays."""
        for delay_s in delays_s:
            self.of(delay_s)

    def catch_up(self) -> None:
        """Let what has come of age out; to be called several times a second."""
        for tier in self._late.values():
            assert isinstance(tier.hub, LateHub)
            tier.hub.catch_up(self._live.clock.now_ns())

    def restart(self) -> None:
        """Begin a new numbering, as the live hub has."""
        self._live.snapshots.clear()
        for tier in self._late.values():
            assert isinstance(tier.hub, LateHub)
            tier.hub.restart()
            tier.snapshots.clear()

    def _tell(self, hub: Hub, stream: Stream, first_seq: int, last_seq: int) -> None:
        count = last_seq - first_seq + 1
        for cohort in stream.cohorts:
            hub.flush_cohort(cohort)
        notice = Skipped(stream.channel, stream.symbol, first_seq, last_seq, count, "journal")
        self._told(hub, stream, notice)
