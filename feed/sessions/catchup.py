"""Streams that a session is brought up to date on from the log, by position, not tick by tick.

Nothing is copied for them: a resume remembers the next seq and reads the journal, a snapshot
remembers the symbol, conflated state remembers its first unsent seq and reads the newest tick. All
of it is read at the moment it goes out, and live ticks of such a stream need not be kept meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from feed.hub.pending import BATCH_TICKS, tick_frames
from feed.hub.stream import Stream
from feed.protocol.codec import encode, payload_of
from feed.protocol.frames import text_frame
from feed.protocol.messages import Resumed, Skipped, SkipReason


class Past(NamedTuple):
    """Where a session reads from.

    Attributes:
        snapshot: gives the snapshot of a symbol with the seqs of some channels, as a message.
        since: gives up to so many payloads of a stream from a seq on; None when that seq is gone.
    """

    snapshot: Callable[[str, tuple[str, ...]], bytes]
    since: Callable[[Stream, int, int], list[bytes] | None]


class CatchUp:
    """The streams of one session that are read from the log.

    Args:
        batched: whether several ticks travel in one message.
        positions: last seq sent, of the streams taken at an interval; kept up to date here.
        own_since: gives the seq from which on a stream has only the session's own ticks, or None.

    Attributes:
        conflated_ticks: how many ticks were announced as skipped so far.
    """

    __slots__ = (
        "_batched",
        "_newest",
        "_own_since",
        "_past",
        "_positions",
        "_resumes",
        "_snapshots",
        "conflated_ticks",
    )

    def __init__(
        self,
        past: Past,
        *,
        batched: bool,
        positions: dict[Stream, int],
        own_since: Callable[[Stream], int | None] = lambda stream: None,
    ) -> None:
        self.conflated_ticks = 0
        self._past = past
        self._batched = batched
        self._positions = positions
        self._own_since = own_since
        self._resumes: dict[Stream, tuple[int, int]] = {}
        self._snapshots: dict[str, tuple[str, ...]] = {}
        self._newest: dict[Stream, int] = {}

    def __bool__(self) -> bool:
        return bool(self._resumes or self._snapshots or self._newest)

    def add_snapshots(self, channels: Mapping[str, tuple[str, ...]]) -> None:
        """Owe snapshots, by symbol, of some channels, as of the moment they go out."""
        owed = self._snapshots
        twice = {symbol: owed[symbol] + channels[symbol] for symbol in owed.keys() & channels}
        owed.update(channels)
        owed.update(twice)

    def add_resume(self, stream: Stream, first_seq: int) -> None:
        """Owe every tick of a stream from `first_seq` on, and then word of it."""
        self._resumes[stream] = (first_seq, first_seq)

    def add_lost(self, stream: Stream) -> None:
        """Owe word that everything before now is lost to the client, and a snapshot."""
        self._resumes[stream] = (1, 0)

    def add_newest(self, stream: Stream, first_seq: int) -> None:
        """Owe the newest tick of a stream, and a notice of what it skips from `first_seq` on."""
        if not self.covers(stream, first_seq):
            self._newest[stream] = first_seq

    def covers(self, stream: Stream, seq: int) -> bool:
        """Tell whether what is owed already accounts for a tick, so that it need not be kept."""
        if stream in self._resumes or stream.channel in self._snapshots.get(stream.symbol, ()):
            return True
        first = self._newest.get(stream)
        if first is not None and seq < first:
            self._newest[stream] = seq
        return first is not None

    def add_later(self, firsts: Mapping[Stream, int]) -> None:
        """Owe the newest ticks of streams likewise, each from its first seq that is still to come.

        All at once, as this is done for a whole burst and each session that is far behind. By then
        nearly every stream is owed already, from an earlier seq on.
        """
        if self._resumes or self._snapshots:
            for stream, first in firsts.items():
                self.add_newest(stream, first)
        elif not firsts.keys() <= self._newest.keys():
            self._newest = {**self._newest, **firsts, **self._newest}

    def forget(self, streams: set[Stream]) -> None:
        """Owe nothing more of some streams."""
        for told in (self._resumes, self._newest):
            for stream in told.keys() & streams:
                del told[stream]
        owed = self._snapshots
        for stream in streams if owed else ():
            if stream.channel in owed.get(stream.symbol, ()):
                kept = tuple(own for own in owed.pop(stream.symbol) if own != stream.channel)
                if kept:
                    owed[stream.symbol] = kept

    def frames(self, budget_bytes: int, *, newest: bool) -> Iterator[bytes]:
        """Read about so many bytes of each kind from the log.

        Args:
            newest: whether conflated state may go out: not before kept ticks of its stream.
        """
        yield from within(budget_bytes, self._resumed)
        yield from within(budget_bytes, self._snapshot)
        if newest:
            yield from within(budget_bytes, self._newest_state)

    def _resumed(self) -> list[bytes]:
        if not self._resumes:
            return []
        stream = next(iter(self._resumes))
        first, at = self._resumes.pop(stream)
        payloads = self._past.since(stream, at, BATCH_TICKS)
        if payloads is None:
            return self._lost(stream, max(first, at))
        frames = list(tick_frames(payloads, batched=self._batched))
        at += len(payloads)
        if at <= stream.seq:
            self._resumes[stream] = (first, at)
            return frames
        if stream in self._positions:
            self._positions[stream] = stream.seq
        told = Resumed(stream.channel, stream.symbol, first, stream.seq, complete=True)
        return [*frames, text_frame(encode(told))]

    def _lost(self, stream: Stream, first: int) -> list[bytes]:
        """Say what the journal no longer has; the snapshot is where the stream goes on."""
        told = Resumed(stream.channel, stream.symbol, first, stream.seq, complete=False)
        snapshot = self._past.snapshot(stream.symbol, (stream.channel,))
        return [text_frame(encode(told)), snapshot]

    def _snapshot(self) -> list[bytes]:
        if not self._snapshots:
            return []
        symbol = next(iter(self._snapshots))
        return [self._past.snapshot(symbol, self._snapshots.pop(symbol))]

    def _newest_state(self) -> list[bytes]:
        """Take the newest ticks of a batch of streams; the notices come before the ticks."""
        notices: list[bytes] = []
        payloads: list[bytes] = []
        while self._newest and max(len(payloads), len(notices)) < BATCH_TICKS // 8:
            stream = next(iter(self._newest))
            first = self._newest.pop(stream)
            if stream in self._positions:
                self._positions[stream] = stream.seq
            if stream.seq < first:
                continue
            newest = stream.newest
            if newest is None:  # a late stream that the journal did not hold so long
                notices.append(notice(stream, first, stream.seq, "journal"))
                continue
            own = self._own_since(stream)
            sent = stream.seq if own is None else max(own, first)
            if first < sent:
                self.conflated_ticks += sent - first
                notices.append(notice(stream, first, sent - 1, "conflated"))
            if own is None:
                payloads.append(payload_of(newest))
            else:
                notices.append(notice(stream, sent, stream.seq, "own"))
        return [*map(text_frame, notices), *tick_frames(payloads, batched=self._batched)]


def notice(stream: Stream, first: int, last: int, reason: SkipReason) -> bytes:
    """Write the message that accounts for ticks that are not sent, both ends included."""
    count = last - first + 1
    return encode(Skipped(stream.channel, stream.symbol, first, last, count, reason))


def within(budget_bytes: int, take: Callable[[], list[bytes]]) -> Iterator[bytes]:
    """Take frames until there are none, or about so many bytes have been taken."""
    size = 0
    while size < budget_bytes and (frames := take()):
        for frame in frames:
            size += len(frame)
            yield frame
