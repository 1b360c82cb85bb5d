"""What a session published itself: it is not sent back, yet each of its seqs is accounted for."""

from __future__ import annotations

from collections.abc import Iterable

from feed.hub.stream import Stream


class OwnTicks:
    """The newest run of a session's own ticks in each stream that it subscribes to.

    Where such a run ends a stream, the newest state is the session's own, and it need not be sent.
    """

    __slots__ = ("_runs",)

    def __init__(self) -> None:
        self._runs: dict[Stream, tuple[int, int]] = {}

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
