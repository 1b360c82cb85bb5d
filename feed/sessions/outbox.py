"""What a session that is behind is still owed: in bounded memory, and without losing count.

A session that keeps up has no outbox. One whose socket would block gets one, and lives in it until
everything is sent. Below the watermark an outbox is a queue of whole segments. Above it, state is
conflated: of such a stream only the first unsent seq is kept, and what goes out in the end is one
`skipped` notice and the newest tick, read from the stream itself. Events, and streams subscribed
with `all`, are kept one by one, up to the limit.

Snapshots wait here in the same way: only the symbol is kept, and ticks of a stream whose snapshot
is still to come are dropped, because the snapshot will include them. While anything is owed in
one of these ways, segments are taken apart at once, so that no tick overtakes or repeats another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from feed.hub.cohort import BATCH_TICKS, Segment, batch_frame
from feed.hub.stream import Stream
from feed.protocol.codec import encode
from feed.protocol.frames import text_frame
from feed.protocol.messages import Skipped, Snapshot
from feed.ticks import Tick

CHUNK_BYTES: Final = 65_536
"""About how much of each kind is prepared at a time, at most; it bounds the work of one turn."""


class Entry(NamedTuple):
    """One tick that must go out itself, unless it is conflated later."""

    stream: Stream
    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """What an outbox must know of its session.

    Attributes:
        batched: whether several ticks travel in one message.
        watermark_bytes: above this, state is conflated.
        stream_of: finds a tick's stream.
        conflates: tells whether a stream may be conflated for this session.
        snapshot: gives the snapshot of a symbol with the seqs of some channels.
        positions: last seq sent, of the streams taken at an interval; kept up to date here.
    """

    batched: bool
    watermark_bytes: int
    stream_of: Callable[[Tick], Stream]
    conflates: Callable[[Stream], bool]
    snapshot: Callable[[str, Iterable[str]], Snapshot]
    positions: dict[Stream, int]

    @property
    def chunk_bytes(self) -> int:
        """How much of each kind is prepared at a time: little beside the limit."""
        return min(CHUNK_BYTES, self.watermark_bytes // 4)


class Outbox:
    """The unsent part of one session.

    Attributes:
        queued_bytes: bytes held for this session.
        conflated_ticks: how many ticks were announced as skipped so far.
    """

    __slots__ = (
        "_account",
        "_awaiting",
        "_conflating",
        "_control",
        "_entries",
        "_first_unsent",
        "_head",
        "_head_segment",
        "_segments",
        "conflated_ticks",
        "queued_bytes",
    )

    def __init__(self, account: Account) -> None:
        self.queued_bytes = 0
        self.conflated_ticks = 0
        self._account = account
        self._conflating = False
        self._head = memoryview(b"")
        self._head_segment: Segment | None = None
        self._control: deque[bytes] = deque()
        self._entries: deque[Entry] = deque()
        self._segments: deque[Segment] = deque()
        self._awaiting: dict[str, tuple[str, ...]] = {}
        self._first_unsent: dict[Stream, int] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing is owed any more."""
        return not (
            self._head
            or self._control
            or self._entries
            or self._segments
            or self._awaiting
            or self._first_unsent
        )

    def add_rest(self, rest: bytes) -> None:
        """Owe the rest of a message that was sent in part; only a new outbox takes one."""
        self._head = memoryview(rest)
        self.queued_bytes += len(rest)

    def add_control(self, frame: bytes) -> None:
        """Owe a control message; it goes out before every tick that is not on its way yet."""
        self._control.append(frame)
        self.queued_bytes += len(frame)

    def add_segment(self, segment: Segment, sent: int = 0) -> None:
        """Owe what is unsent of a segment; only a new outbox takes one that was sent in part."""
        if sent:
            self._head_segment = segment
            self.add_rest(segment.buffer[sent:])
        elif self._conflating or self._awaiting or self._first_unsent:
            self._owe(segment.after(0)[1])
        else:
            self._segments.append(segment)
            self.queued_bytes += len(segment.buffer)
        if self.queued_bytes > self._account.watermark_bytes:
            self._conflate()

    def add_snapshot(self, symbol: str, channels: Iterable[str]) -> None:
        """Owe a snapshot, as of the moment it goes out."""
        self._spread()
        self._awaiting[symbol] = (*self._awaiting.get(symbol, ()), *channels)

    def add_newest(self, stream: Stream, first_seq: int) -> None:
        """Owe the newest tick of a stream, and a notice of what it skips from `first_seq` on."""
        self._spread()
        if stream.channel not in self._awaiting.get(stream.symbol, ()):
            self._first_unsent.setdefault(stream, first_seq)

    def forget(self, streams: set[Stream]) -> None:
        """Owe nothing more of streams that were unsubscribed."""
        self._spread()
        entries, self._entries = self._entries, deque()
        for entry in entries:
            if entry.stream in streams:
                self.queued_bytes -= len(entry.payload)
            else:
                self._entries.append(entry)
        for stream in streams:
            self._first_unsent.pop(stream, None)
            self._forget_snapshot(stream)

    def next_bytes(self) -> memoryview:
        """Give the bytes to write next: the same ones until `sent` says that they were taken."""
        if self._head:
            return self._head
        if self._segments and not (self._control or self._entries or self._awaiting):
            self._head_segment = self._segments.popleft()
            self._head = memoryview(self._head_segment.buffer)
        else:
            self._head = memoryview(b"".join(self._chunk()))
            self.queued_bytes += len(self._head)
        return self._head

    def sent(self, size: int) -> None:
        """Take note that this many of the next bytes were written."""
        self._head = self._head[size:]
        self.queued_bytes -= size
        if not self._head:
            self._head_segment = None

    def only_rest(self) -> bytes:
        """Give the rest of the frame that is on its way; everything else is given up."""
        self._spread()
        return bytes(self._head)

    def _spread(self) -> None:
        """Turn segments into entries, so that single ticks can be conflated or dropped."""
        if self._head_segment is not None:
            self._spread_head(self._head_segment)
        segments, self._segments = self._segments, deque()
        for segment in segments:
            self.queued_bytes -= len(segment.buffer)
            self._owe(segment.after(0)[1])

    def _spread_head(self, segment: Segment) -> None:
        rest, ticks = segment.after(len(segment.buffer) - len(self._head))
        self.queued_bytes -= len(self._head)
        self._head, self._head_segment = memoryview(rest), None
        self.queued_bytes += len(rest)
        later, self._entries = self._entries, deque()
        self._owe(ticks)
        self._entries.extend(later)

    def _conflate(self) -> None:
        if self._conflating:
            return
        self._spread()
        self._conflating = True
        entries, self._entries = self._entries, deque()
        for entry in entries:
            self.queued_bytes -= len(entry.payload)
            self._take(entry)

    def _owe(self, ticks: Iterable[tuple[Tick, bytes]]) -> None:
        for tick, payload in ticks:
            stream = self._account.stream_of(tick)
            if stream.channel not in self._awaiting.get(stream.symbol, ()):
                self._take(Entry(stream, tick.seq, payload))

    def _take(self, entry: Entry) -> None:
        first = self._first_unsent.get(entry.stream)
        if first is not None:  # the notice and the newest tick that are owed will cover this one
            self._first_unsent[entry.stream] = min(first, entry.seq)
        elif self._conflating and self._account.conflates(entry.stream):
            self._first_unsent[entry.stream] = entry.seq
        else:
            self._entries.append(entry)
            self.queued_bytes += len(entry.payload)

    def _forget_snapshot(self, stream: Stream) -> None:
        channels = self._awaiting.get(stream.symbol, ())
        kept = tuple(name for name in channels if name != stream.channel)
        if kept:
            self._awaiting[stream.symbol] = kept
        elif channels:
            del self._awaiting[stream.symbol]

    def _chunk(self) -> Iterator[bytes]:
        """Prepare about a chunk of each kind: control, kept ticks, snapshots, newest state.

        Newest state comes after every kept tick, because some of those may be of the same stream.
        """
        while self._control:
            frame = self._control.popleft()
            self.queued_bytes -= len(frame)
            yield frame
        yield from self._frames(self._some_entries())
        yield from self._some_snapshots()
        if not self._entries:
            yield from self._some_newest()

    def _some_entries(self) -> list[bytes]:
        payloads: list[bytes] = []
        size = 0
        while self._entries and size < self._account.chunk_bytes:
            payload = self._entries.popleft().payload
            payloads.append(payload)
            size += len(payload)
        self.queued_bytes -= size
        return payloads

    def _some_snapshots(self) -> Iterator[bytes]:
        size = 0
        while self._awaiting and size < self._account.chunk_bytes:
            symbol = next(iter(self._awaiting))
            snapshot = self._account.snapshot(symbol, self._awaiting.pop(symbol))
            frame = text_frame(encode(snapshot))
            size += len(frame)
            yield frame

    def _some_newest(self) -> Iterator[bytes]:
        payloads: list[bytes] = []
        size = 0
        while self._first_unsent and size < self._account.chunk_bytes:
            stream = next(iter(self._first_unsent))
            first = self._first_unsent.pop(stream)
            if stream in self._account.positions:
                self._account.positions[stream] = stream.seq
            if stream.last is None or stream.seq < first:
                continue
            if first < stream.seq:
                notice = self._notice(stream, first)
                size += len(notice)
                yield notice
            payloads.append(encode(stream.last))
            size += len(payloads[-1])
        yield from self._frames(payloads)

    def _notice(self, stream: Stream, first: int) -> bytes:
        last = stream.seq - 1
        count = last - first + 1
        self.conflated_ticks += count
        skipped = Skipped(stream.channel, stream.symbol, first, last, count, "conflated")
        return text_frame(encode(skipped))

    def _frames(self, payloads: list[bytes]) -> Iterator[bytes]:
        if not self._account.batched:
            yield from map(text_frame, payloads)
        elif payloads:
            for at in range(0, len(payloads), BATCH_TICKS):
                yield batch_frame(payloads[at : at + BATCH_TICKS])
