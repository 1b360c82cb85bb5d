"""What a session published itself: it is not sent back, yet each of its seqs is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from feed.hub.cohort import Cohort
from feed.hub.stream import Stream
from feed.protocol.codec import encode
from feed.sessions.catchup import notice
from feed.sessions.outbox import Entry
from feed.ticks import Tick

Holes = dict[Stream, tuple[int, int]]
"""The first and the last seq that does not come, of each stream."""


class OwnTicks:
    """The newest run of a session's own ticks in each stream that it subscribes to.

    Where such a run ends a stream, the newest state is the session's own, and it need not be sent.
    """

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: dict[Stream, tuple[int, int]] = {}

    def sift(
        self,
        burst: list[Tick],
        own: list[Tick],
        cohort: Cohort,
        stream_of: Callable[[Tick], Stream],
    ) -> Iterator[Entry]:
        """Give what a session is sent of a burst: a notice in place of each run of its own ticks.

        Args:
            burst: all that was published, in order.
            own: those among it that are its own; the others are bars that they closed.
            cohort: the session's own one.
            stream_of: finds a tick's stream.
        """
        holes: Holes = {}
        rest = iter(own)
        mine = next(rest, None)
        for tick in burst:
            stream = stream_of(tick)
            if tick is mine:
                mine = next(rest, None)
                if stream in cohort.streams:
                    holes[stream] = holes.get(stream, (tick.seq, 0))[0], tick.seq
                    self.add(stream, tick.seq)
                elif stream in cohort.latest:
                    self.add(stream, tick.seq)
            elif stream in cohort.streams:
                yield from _notices(holes)
                holes = {}
                yield Entry(stream, tick.seq, encode(tick))
        yield from _notices(holes)

    def add(self, stream: Stream, seq: int) -> None:
        """Take note of one tick."""
        first, last = self._runs.get(stream, (seq, seq))
        self._runs[stream] = (first if last == seq - 1 else seq, seq)

    def newest(self, stream: Stream) -> int | None:
        """Give the first seq of the own ticks that end a stream; None when they do not."""
        first, last = self._runs.get(stream, (0, -1))
        return first if last == stream.seq else None

    def forget(self, streams: Iterable[Stream]) -> None:
        """Take note that streams are not subscribed any more."""
        for stream in streams:
            self._runs.pop(stream, None)

    def clear(self) -> None:
        """Keep nothing of an earlier numbering."""
        self._runs.clear()


def _notices(holes: Holes) -> Iterator[Entry]:
    """Say which seqs do not come, each stream's before its next tick."""
    for stream, (first, last) in holes.items():
        yield Entry(stream, first, notice(stream, first, last, "own"), is_notice=True)
