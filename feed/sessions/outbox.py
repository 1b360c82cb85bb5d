"""What a session that is behind is still owed: in bounded memory, and without losing count.

A session that keeps up has no outbox. One whose socket would block gets one, and lives in it until
everything is sent. Below the watermark an outbox is a queue of whole segments. Above it, state is
conflated: such a stream is left to the catch-up, which reads its newest tick when it goes out.
Events, and streams subscribed with `all`, are kept one by one, up to the limit.

While the catch-up owes anything, segments are taken apart at once, so that no tick overtakes or
repeats one that the catch-up will read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from feed.hub.cohort import Segment, Unsent
from feed.hub.pending import tick_frames
from feed.hub.stream import Stream
from feed.sessions.catchup import CatchUp

CHUNK_BYTES: Final = 16_384
"""About how much of each kind is prepared at a time, at most; it bounds the work of one turn."""


class Entry(NamedTuple):
    """One tick that must go out itself, unless it is conflated later, or a notice like one."""

    stream: Stream
    seq: int
    payload: bytes
    is_notice: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What an outbox must know of its session.

    Attributes:
        batched: whether several ticks travel in one message.
        watermark_bytes: above this, state is conflated.
        conflates: tells whether a stream may be conflated for this session.
    """

    batched: bool
    watermark_bytes: int
    conflates: Callable[[Stream], bool]

    @property
    def chunk_bytes(self) -> int:
        """How much of each kind is prepared at a time: little beside the limit."""
        return min(CHUNK_BYTES, self.watermark_bytes // 4)


class Outbox:
    """The unsent part of one session.

    Attributes:
        queued_bytes: bytes held for this session.
    """

    __slots__ = (
        "_account",
        "_catch_up",
        "_conflating",
        "_control",
        "_entries",
        "_head",
        "_head_segment",
        "_segments",
        "queued_bytes",
    )

    def __init__(self, account: Account, catch_up: CatchUp) -> None:
        self.queued_bytes = 0
        self._account = account
        self._catch_up = catch_up
        self._conflating = False
        self._head = memoryview(b"")
        self._head_segment: Segment | None = None
        self._control: deque[bytes] = deque()
        self._entries: deque[Entry] = deque()
        self._segments: deque[Segment] = deque()

    @property
    def empty(self) -> bool:
        """Whether nothing is owed any more."""
        return not (
            self._head or self._control or self._entries or self._segments or self._catch_up
        )

    @property
    def conflated_ticks(self) -> int:
        """How many ticks were announced as skipped so far."""
        return self._catch_up.conflated_ticks

    @property
    def catch_up(self) -> CatchUp:
        """What is read from the log; asking for it takes segments apart, to see each tick."""
        self._spread()
        return self._catch_up

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
        elif self._conflating or self._catch_up:
            self._owe_whole(segment)
        else:
            self._segments.append(segment)
            self.queued_bytes += len(segment.buffer)
        if self.queued_bytes > self._account.watermark_bytes:
            self._conflate()

    def add_entry(self, entry: Entry) -> None:
        """Owe one tick, or word of seqs that do not come, after the ticks before it."""
        self._spread()
        self._take(entry)

    def forget(self, streams: set[Stream]) -> None:
        """Owe nothing more of streams that were unsubscribed."""
        self.catch_up.forget(streams)
        entries, self._entries = self._entries, deque()
        for entry in entries:
            if entry.stream in streams:
                self.queued_bytes -= len(entry.payload)
            else:
                self._entries.append(entry)

    def next_bytes(self) -> memoryview:
        """Give the bytes to write next: the same ones until `sent` says that they were taken."""
        if self._head:
            return self._head
        if self._segments and not (self._control or self._entries or self._catch_up):
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
        """Give the rest of the frame that is on its way; everything else may be given up."""
        segment = self._head_segment
        if segment is None:
            return bytes(self._head)
        return segment.after(len(segment.buffer) - len(self._head))[0]

    def without_ticks(self) -> bytes:
        """Give the rest of the frame that is on its way, and the control messages."""
        return b"".join((self.only_rest(), *self._control))

    def _spread(self) -> None:
        """Turn segments into entries, so that single ticks can be conflated or dropped."""
        if self._head_segment is not None:
            self._spread_head(self._head_segment)
        segments, self._segments = self._segments, deque()
        for segment in segments:
            self.queued_bytes -= len(segment.buffer)
            self._owe_whole(segment)

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

    def _owe(self, ticks: Iterable[Unsent]) -> None:
        for own in ticks:
            self._take(Entry(*own))

    def _owe_whole(self, segment: Segment) -> None:
        """Owe a segment by its streams, which are fewer than its ticks, where none is kept."""
        firsts = segment.firsts
        if self._conflating:
            state, firsts = segment.parted
            self._catch_up.add_later(state)
        kept = {
            stream for stream, first in firsts.items() if not self._catch_up.covers(stream, first)
        }
        if kept:
            self._owe(own for own in segment.whole if own.stream in kept)

    def _leave(self, stream: Stream, first_seq: int) -> bool:
        """Leave a stream to the catch-up from a seq on, if that accounts for it or may."""
        if self._catch_up.covers(stream, first_seq):
            return True
        if self._conflating and self._account.conflates(stream):
            self._catch_up.add_newest(stream, first_seq)
            return True
        return False

    def _take(self, entry: Entry) -> None:
        if not self._leave(entry.stream, entry.seq):
            self._entries.append(entry)
            self.queued_bytes += len(entry.payload)

    def _chunk(self) -> Iterator[bytes]:
        """Prepare control messages, kept ticks, and what the catch-up reads from the log.

        Newest state comes after every kept tick, because some of those may be of the same stream.
        """
        while self._control:
            frame = self._control.popleft()
            self.queued_bytes -= len(frame)
            yield frame
        for is_notice, run in groupby(self._next_entries(), key=attrgetter("is_notice")):
            payloads = [entry.payload for entry in run]
            yield from tick_frames(payloads, batched=self._account.batched and not is_notice)
        yield from self._catch_up.frames(self._account.chunk_bytes, newest=not self._entries)

    def _next_entries(self) -> Iterator[Entry]:
        size = 0
        while size < self._account.chunk_bytes and self._entries:
            entry = self._entries.popleft()
            size += len(entry.payload)
            self.queued_bytes -= len(entry.payload)
            yield entry
