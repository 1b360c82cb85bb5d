"""One node's view of the log: takes stamped ticks, owes cohorts their bytes, pays at the flush.

Per tick: find the stream, keep the tick as its newest, and if somebody listens encode it once and
append the result to the pending list of each cohort. Per flush: one join and one direct send for
each cohort that has something pending. Nothing here waits for anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from time import perf_counter
from typing import Final

from msgspec.structs import replace

from feed.hub.cohort import Cohort
from feed.hub.index import Index
from feed.hub.journal import Journal
from feed.hub.last_values import LastValues
from feed.hub.path import Left, fan_out, keep, send_out
from feed.hub.rows import Rows
from feed.hub.stream import Stream
from feed.metrics import Metrics
from feed.protocol.codec import encode_ticks, pack_tick
from feed.symbols import SymbolSet
from feed.ticks import CHANNELS, Tick

MUCH_TICKS: Final = 1_000
"""Owed to a cohort: in one send with what may still come, it would be more than a socket takes."""

Call = Callable[[Callable[[], None]], object]


class Hub:
    """Index, last values and fan-out of one node.

    Args:
        schedule: calls a flush once, soon: when the loop comes round, or an interval later.
        journal_ticks_per_stream: how many recent ticks each stream keeps for resumes.
        journal_limit_bytes: how much all of them may take.
        soon: calls once what is no flush, when the loop comes round; `schedule` by default.

    Attributes:
        soon: calls a function once, when others had their turn.
        index: who is subscribed to what.
        journal: the recent ticks of each stream.
        last_values: what a session that arrives now must be told.
        owed: the cohorts that have something pending until the next flush.
        strained: whether somebody was behind at the last flush.
        held: whether no flush is to be scheduled until there was one, as one is already, or as
            whoever publishes makes it, once all that is due is here.
        metrics: what was counted so far.
    """

    def __init__(
        self,
        schedule: Call,
        *,
        journal_ticks_per_stream: int = 4096,
        journal_limit_bytes: int = 67_108_864,
        soon: Call | None = None,
    ) -> None:
        self.soon = soon or schedule
        self.journal = Journal(journal_ticks_per_stream, journal_limit_bytes)
        self.index = Index(self.journal.open, self.soon)
        self.last_values = LastValues(self.index)
        self.metrics = Metrics()
        self._schedule = schedule
        self.held = self.strained = False
        self.owed: list[Cohort] = []

    def receive(self, ticks: list[Tick], streams: list[Stream]) -> None:
        """Take a burst of stamped ticks, in order, and owe them to their subscribers.

        Args:
            streams: of each tick, its own.
        """
        begun_s = perf_counter()
        self._receive(ticks, streams)
        self.metrics.fan_out.observe(perf_counter() - begun_s)

    def _receive(self, ticks: list[Tick], streams: list[Stream]) -> None:
        wanted, heard, events = keep(ticks, streams, pack_tick)
        self.last_values.count_all(events)
        if wanted:
            self._owe(fan_out(encode_ticks(wanted), heard))
            self.metrics.encodings += len(wanted)
        self.metrics.ticks_in += len(ticks)

    def receive_rows(self, rows: Rows, start: int, stop: int, ts_out: int) -> None:
        """Take rows start..stop of a block, stamp and number them, and owe them likewise."""
        begun_s = perf_counter()
        begun, heard = rows.pass_on(start, stop, ts_out)
        if begun:
            self._owe(begun)
        metrics = self.metrics
        metrics.encodings += heard
        metrics.ticks_in += stop - start
        metrics.fan_out.observe(perf_counter() - begun_s)

    def restart(self, gone: Container[str] | SymbolSet) -> None:
        """Begin a new numbering; what is pending goes out before.

        Nothing is left of the symbols that are gone. Any other stream begins with its newest tick,
        as number 1: it holds as before, and nobody need be sent it again.
        """
        self.flush()
        for stream in self.index.streams():
            last = None if stream.symbol in gone else stream.last
            stream.clear()
            stream.seq = 0
            if last is not None:
                stream.seq = 1
                stream.keep(pack_tick(replace(last, seq=1)))
        self.last_values.forget(gone)

    def restore(self, ticks: list[Tick]) -> None:
        """Take ticks of an earlier run, before there is any session; known ones are left out."""
        for tick in ticks:
            stream = self.index.stream_of(tick)
            if tick.seq > stream.seq + 1:  # a hole: what is before it is no use to a resume
                stream.clear()
            if tick.seq > stream.seq:
                stream.seq = tick.seq
                self._receive([tick], [stream])

    def _owe(self, begun: list[Cohort]) -> None:
        self.owed += begun
        if begun and not self.held:
            self.held = True
            self._schedule(self.flush)

    def relieve(self) -> None:
        """Send those cohorts what is pending that are owed much."""
        if much := [own for own in dict.fromkeys(self.owed) if own.count > MUCH_TICKS]:
            self._send(much)

    def flush(self) -> None:
        """Send every cohort what is pending; touches only the cohorts of streams that ticked."""
        begun_s = perf_counter()
        self.held = self.strained = False
        if self.owed:
            owed, self.owed = self.owed, []
            self._send(list(dict.fromkeys(owed)))  # who was flushed alone meanwhile is there twice
        self.metrics.flush.observe(perf_counter() - begun_s)

    def flush_cohort(self, cohort: Cohort) -> None:
        """Send one cohort what is pending, before somebody joins or leaves it."""
        if cohort.count:
            self._send([cohort])

    def _send(self, owed: list[Cohort]) -> None:
        ticks, size, left = send_out(owed)
        for channel, count in zip(CHANNELS, ticks, strict=True):
            if count:
                self.metrics.ticks_out[channel] += count
        self.metrics.bytes_out += size
        self.strained = bool(left)
        if left:
            self.leave(left)

    def leave(self, left: list[Left]) -> None:
        """Let cohorts hold what is pending for those that took less of it, or are behind."""
        for cohort, short in left:
            cohort.keep(self.index.ticked, short)
