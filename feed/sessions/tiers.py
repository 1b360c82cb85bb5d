"""Which hub a session is served from: the live one, or a late one, by its principal's delay."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import cast

from feed.clock import Clock
from feed.hub.hub import Hub
from feed.hub.late import LateHub
from feed.hub.stream import Stream
from feed.logs import Failures
from feed.sessions.catchup import notice
from feed.sessions.delivery import Delivery
from feed.sessions.intervals import Intervals
from feed.sessions.limits import Limits
from feed.sessions.outbox import Entry
from feed.sessions.snapshots import Snapshots

log = logging.getLogger(__name__)


class Tier:
    """A hub, and what all sessions that are served from it share."""

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

    Attributes:
        behind: whether a late hub has yet to take in what is of age.
    """

    def __init__(self, live: Tier) -> None:
        self.behind = False
        self._live = live
        self._late: dict[int, tuple[Tier, LateHub]] = {}
        self._failures = Failures(log, "late hubs")

    def of(self, delay_s: int) -> Tier:
        """Give the tier of a delay; one that is new begins with what the journal has of that time.

        Statistics then lack the trades before, so delays that are known are opened at the start.
        """
        if not delay_s:
            return self._live
        if delay_s not in self._late:
            live = self._live
            hub = LateHub(live.hub, delay_s, lambda *missing: _tell(hub, *missing))
            self._late[delay_s] = Tier(hub, live.clock, live.limits, live.later), hub
            self.catch_up()
        return self._late[delay_s][0]

    def open(self, delays_s: Iterable[int]) -> None:
        """Open the tiers of some delays."""
        for delay_s in delays_s:
            self.of(delay_s)

    def catch_up(self) -> None:
        """Let what has come of age out, a step at a time; to be called several times a second."""
        if not self.behind:
            self._go_on()

    def _go_on(self) -> None:
        self.behind = False
        now_ns = self._live.clock.now_ns()
        for _, hub in self._late.values():
            with self._failures.told():  # the others go on, and this one at the next beat
                self.behind |= not hub.catch_up(now_ns)
        if self.behind:
            self._live.later(0.0, self._go_on)

    def restart(self) -> None:
        """Begin a new numbering, as the live hub has."""
        self._live.snapshots.clear()
        for tier, hub in self._late.values():
            hub.restart()
            tier.snapshots.clear()


def _tell(hub: Hub, stream: Stream, first_seq: int, last_seq: int) -> None:
    """Say what the journal could not hold so long to everybody who takes the stream.

    It takes its place among the ticks. At an interval it comes with the newest state, if at all.
    """
    payload = notice(stream, first_seq, last_seq, "journal")
    told = Entry(stream, first_seq, payload, is_notice=True)
    for cohort in list(stream.cohorts):
        hub.flush_cohort(cohort)
        for member in cohort.everybody():
            cast(Delivery, member).put(told)
    for interval in stream.asked:
        interval.tell(stream)
