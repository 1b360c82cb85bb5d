"""The way of a small burst while nothing is owed to anybody: passed on and sent, in one call.

It is the way of nearly all bursts of a market that is not in a hurry, hundreds of times a second.
So it is here in Python, to be read, and in `_direct.c`, which is used where it could be compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

from feed.hub import path
from feed.hub.hub import Hub
from feed.hub.rows import Rows
from feed.tape.slices import Slice, Slices


class Ends(Protocol):
    """When somebody is to be sent nothing any more.

    Attributes:
        next_ns: the next time, in nanoseconds since the Unix epoch.
    """

    next_ns: int


class Direct:
    """Sends slices of a block.

    Args:
        most: how many rows are a small burst.
        hub: whose they become.
        now_ns: the clock.
        ends: from the next one of them on no slice is sent.
        otherwise: publishes any other slice, and tells whether somebody is behind.
    """

    def __init__(
        self,
        most: int,
        hub: Hub,
        now_ns: Callable[[], int],
        ends: Ends,
        otherwise: Callable[[Slice], bool],
    ) -> None:
        self._most = most
        self._hub = hub
        self._now_ns = now_ns
        self._ends = ends
        self._otherwise = otherwise
        self._slices: Slices | None = None
        self._rows: Rows | None = None

    def open(self, slices: Slices | None, rows: Rows | None) -> None:
        """Send slices of these rows from now on; none where they have to be ticks."""
        self._slices, self._rows = slices, rows

    def send(self, part: Slice) -> bool:
        """Publish a slice, send all that is owed by then, and tell whether somebody is behind."""
        hub, rows, start, stop = self._hub, self._rows, part.start, part.stop
        if rows is None or part.of is not self._slices or stop - start > self._most or hub.owed:
            return self._otherwise(part)
        if not rows.holds(start, stop) or (ts_out := self._now_ns()) >= self._ends.next_ns:
            return self._otherwise(part)
        begun_s = perf_counter()
        begun, heard = rows.pass_on(start, stop, ts_out)
        passed_s = perf_counter()
        ticks, size, left = path.send_out(begun)
        metrics = hub.metrics
        metrics.ticks_in += stop - start
        metrics.encodings += heard
        metrics.bytes_out += size
        metrics.ticks_out["quotes"] += ticks[0]
        metrics.ticks_out["trades"] += ticks[1]
        metrics.fan_out.observe(passed_s - begun_s)
        metrics.flush.observe(perf_counter() - passed_s)
        hub.strained = bool(left)
        if left:
            hub.leave(left)
        return hub.strained


IN_PYTHON: Final = Direct

if not TYPE_CHECKING and path.IN_C:
    from feed.hub import _path

    Direct = _path.Direct
