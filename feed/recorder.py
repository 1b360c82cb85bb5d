"""Writes what a feed publishes to a folder, without ever holding it up.

Ticks are taken as references, and written by another thread every few seconds. When that thread is
too slow, or the disk takes no more, ticks are left out, and the recording says how many and when.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from feed.errors import RecordError
from feed.folder import lock, reason_of
from feed.tape import recording
from feed.tape.arrow import arrow
from feed.tape.recording import Hole
from feed.tape.segment import GrowingSegment
from feed.ticks import CHANNEL_OF, DAY_NS, Tick

log = logging.getLogger(__name__)

BATCH_TICKS: Final = 1_000
"""Made into columns at a time by the writing thread, so that it never holds the interpreter for
long."""
SEGMENT_BYTES: Final = 33_554_432
PLACE_DIGITS: Final = 20
TAKEN: Final = "is recorded into by another feed, give each its own"
SPARE_BYTES: Final = 262_144
"""How much room there must be again before a recording that had stopped goes on."""


@dataclass(slots=True)
class Recorded:
    """What a recorder did since the start.

    Attributes:
        ticks: written.
        missing: left out.
        bytes: written to growing segments.
        stopped: whether the disk takes nothing for now.
    """

    ticks: int = 0
    missing: int = 0
    bytes: int = 0
    stopped: bool = False


class _Current(NamedTuple):
    """The segment of a channel that grows."""

    segment: GrowingSegment
    epoch: str
    day: int
    began_s: float


class Recorder:
    """Records into one folder.

    Args:
        folder: made if it is not there; one recorder at a time may use it.
        epoch: gives the label of the current numbering.
        flush_interval_s: how often ticks are written.
        rotate_s: how long a segment grows at most.
        queue_ticks: how many may wait to be written.

    Raises:
        RecordError: the folder cannot be used.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(
        self,
        folder: Path,
        epoch: Callable[[], str],
        *,
        flush_interval_s: float = 2.0,
        rotate_s: float = 3600.0,
        queue_ticks: int = 262_144,
    ) -> None:
        arrow("recording")
        self.folder = folder
        self.done = Recorded()
        self._epoch = epoch
        self._flush_interval_s = flush_interval_s
        self._rotate_s = rotate_s
        self._queue_ticks = queue_ticks
        self._lock = lock(folder, ".lock", RecordError, TAKEN)
        recording.recover(folder)
        self._queue: deque[tuple[str, list[Tick]]] = deque()
        self._taken = self._settled = 0
        self._place = max(time.time_ns(), _next_place(self._lock))
        self._segments: dict[str, _Current] = {}
        self._hole: Hole | None = None
        self._counting = threading.Lock()
        self._writing = asyncio.Lock()
        self._full = asyncio.Event()

    @property
    def queued(self) -> int:
        """Ticks that wait to be written."""
        return self._taken - self._settled

    def append(self, ticks: list[Tick]) -> None:
        """Take a burst of stamped ticks; it costs the same however many they are."""
        if self.queued + len(ticks) > self._queue_ticks:
            self._miss(ticks, "the disk is slower than the feed")
            return
        self._queue.append((self._epoch(), ticks))
        self._taken += len(ticks)
        if self.queued > self._queue_ticks // 4:
            self._full.set()

    async def run(self) -> None:
        """Write every few seconds, sooner when much has come, until it is cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._flush_interval_s)
            self._full.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what was taken until now; when it returns that can be read from the folder."""
        async with self._writing:
            bursts, self._queue = self._queue, deque()
            work = asyncio.ensure_future(asyncio.to_thread(self._write, bursts))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:  # the thread cannot be stopped: it ends before we do
                await asyncio.wait([work])
                raise

    async def close(self) -> None:
        """Write the rest and complete every segment."""
        await self.flush()
        await asyncio.to_thread(self._complete_all)
        os.close(self._lock)

    # On the writing thread

    def _write(self, bursts: deque[tuple[str, list[Tick]]]) -> None:
        if bursts:
            _keep_place(self._lock, self._place + sum(len(ticks) for _, ticks in bursts))
        for epoch, ticks in _merged(bursts):
            self._write_burst(epoch, ticks)
            self._settled += len(ticks)
        for channel in list(self._segments):
            self._rotate(channel)

    def _write_burst(self, epoch: str, ticks: list[Tick]) -> None:
        """Write ticks of one epoch, channel by channel."""
        by_channel: dict[str, tuple[list[Tick], list[int]]] = {}
        for place, tick in enumerate(ticks, self._place):
            own = by_channel.setdefault(CHANNEL_OF[tick.__class__], ([], []))
            own[0].append(tick)
            own[1].append(place)
        self._place += len(ticks)
        for channel, (own_ticks, places) in by_channel.items():
            self._write_channel(channel, epoch, own_ticks, places)
            time.sleep(0)  # lets the event loop have the interpreter

    def _write_channel(
        self, channel: str, epoch: str, ticks: list[Tick], places: list[int]
    ) -> None:
        if self.done.stopped and not self._has_room():
            self._miss(ticks, "no space left on device")
            return
        try:
            segment = self._segment(channel, epoch, ticks[0].ts_out)
            size = segment.size
            segment.append(ticks, places)
        except OSError as error:
            self._stop(ticks, error)
            return
        except Exception as error:  # whatever is wrong with these ticks, the next ones are recorded
            log.exception("recording failed")
            self._miss(ticks, f"they could not be written: {error}")
            return
        self.done.bytes += segment.size - size
        self.done.ticks += len(ticks)
        if self._hole is not None:
            self._go_on()

    def _segment(self, channel: str, epoch: str, ts_out: int) -> GrowingSegment:
        day = ts_out // DAY_NS
        current = self._segments.get(channel)
        if current is not None and (current.epoch, current.day) != (epoch, day):
            self._complete(channel)
            current = None
        if current is None:
            path = recording.new_name(self.folder, channel, epoch, ts_out)
            segment = GrowingSegment(path, recording.KIND_OF[channel], epoch)
            current = self._segments[channel] = _Current(segment, epoch, day, time.monotonic())
        return current.segment

    def _rotate(self, channel: str) -> None:
        current = self._segments[channel]
        age_s = time.monotonic() - current.began_s
        if current.segment.size > SEGMENT_BYTES or age_s > self._rotate_s:
            self._complete(channel)

    def _complete_all(self) -> None:
        for channel in list(self._segments):
            self._complete(channel)
        if self._hole is not None:
            with suppress(OSError):
                recording.note(self.folder, self._hole)

    def _complete(self, channel: str) -> None:
        """Complete a segment; whatever becomes of that, the next one can begin."""
        segment = self._segments.pop(channel).segment
        try:
            segment.close()
        except OSError as error:
            log.error("%s: %s", segment.path, reason_of(error))
        if segment.rows:
            recording.finish(segment.path)

    # What is missing

    def _miss(self, ticks: list[Tick], reason: str) -> None:
        self.lack(len(ticks), reason, (ticks[0].ts_out, ticks[-1].ts_out))

    def lack(self, count: int, reason: str, times: tuple[int, int] | None = None) -> None:
        """Take note of ticks that will be missing, published between these times or now."""
        first, last = times or (time.time_ns(),) * 2
        with self._counting:
            self.done.missing += count
            if self._hole is not None:
                self._hole.last_ts_out = last
                self._hole.ticks += count
                return
            self._hole = Hole(first, last, count, reason)
        log.error("recording lacks ticks: %s (%s)", reason, self.folder)

    def _stop(self, ticks: list[Tick], error: OSError) -> None:
        self.done.stopped = True
        self._miss(ticks, reason_of(error))

    def _go_on(self) -> None:
        with self._counting:
            hole = self._hole
            if hole is None:
                return
            try:
                recording.note(self.folder, hole)
            except OSError:
                return
            self._hole = None
            self.done.stopped = False
        log.warning("recording goes on, %d ticks are missing (%s)", hole.ticks, self.folder)

    def _has_room(self) -> bool:
        try:
            found = os.statvfs(self.folder)
        except OSError:
            return False
        return found.f_bavail * found.f_frsize >= SPARE_BYTES


def _next_place(lock: int) -> int:
    """Give where the places of the recorder before begin to be free; 0 if there was none."""
    found = os.pread(lock, PLACE_DIGITS, 0)
    return int(found) if found.isdigit() else 0


def _keep_place(lock: int, place: int) -> None:
    """Note in the locked file where places are free, whatever the clock says to the next recorder.

    It is noted before any of those below are written, as the process may be killed meanwhile.
    """
    with suppress(OSError):  # then the disk takes no ticks either
        os.pwrite(lock, b"%0*d" % (PLACE_DIGITS, place), 0)


def _merged(bursts: deque[tuple[str, list[Tick]]]) -> Iterator[tuple[str, list[Tick]]]:
    """Join bursts to what is written at a time; those of two epochs or dates stay apart."""
    held: list[Tick] = []
    held_of: tuple[str, int] = ("", 0)
    for epoch, ticks in bursts:
        own = epoch, ticks[0].ts_out // DAY_NS
        if held and (own != held_of or len(held) + len(ticks) > BATCH_TICKS):
            yield held_of[0], held
            held = []
        held, held_of = held + ticks, own
    if held:
        yield held_of[0], held
