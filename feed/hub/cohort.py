"""Sessions that asked for the same thing in the same form share one pending list and one buffer.

A session with a watchlist of its own is a cohort of one. Members that keep up get the joined bytes
by one direct send; members that are behind get a `Segment` to keep in their outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions
from feed.protocol.frames import text_frame, text_header
from feed.ticks import Tick

BATCH_TICKS: Final = 512
"""Most ticks in one batch message: about 80 KiB, as many clients refuse frames over 1 MiB."""


class Burst:
    """The ticks fanned out since the last flush; says which tick a pending item is.

    Only members that fall behind ask, so the answer is worked out when the first one does.
    """

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.payloads: list[bytes] = []
        self._entries: dict[bytes, tuple[Tick, bytes]] = {}

    def entry(self, item: bytes) -> tuple[Tick, bytes]:
        """Give the tick and the payload of a pending frame or payload."""
        known = len(self._entries) // 2
        for tick, payload in zip(self.ticks[known:], self.payloads[known:], strict=True):
            self._entries[payload] = self._entries[text_frame(payload)] = (tick, payload)
        return self._entries[item]


class Segment:
    """What one flush owes one cohort: the bytes, and the way back from bytes to ticks.

    Attributes:
        buffer: whole frames, ready to send.
    """

    __slots__ = ("_burst", "_frames", "buffer")

    def __init__(self, buffer: bytes, frames: list[tuple[int, list[bytes]]], burst: Burst) -> None:
        self.buffer = buffer
        self._frames = frames
        self._burst = burst

    def after(self, sent: int) -> tuple[bytes, list[tuple[Tick, bytes]]]:
        """Split what is unsent after `sent` bytes.

        Returns:
            The rest of a frame that was sent in part and must be completed, and the ticks (with
            their payloads) of the frames of which nothing was sent.
        """
        end, rest = 0, b""
        ticks: list[tuple[Tick, bytes]] = []
        for size, items in self._frames:
            start, end = end, end + size
            if start >= sent:
                ticks.extend(map(self._burst.entry, items))
            elif end > sent:
                rest = self.buffer[sent:end]
        return rest, ticks


class Member(Protocol):
    """A session, as its cohort sees it."""

    def write(self, buffer: bytes) -> int:
        """Send without blocking and give the number of bytes taken."""

    def fall_behind(self, segment: Segment, sent: int) -> None:
        """Keep what a short write left of a segment."""

    def offer(self, segment: Segment) -> None:
        """Keep a whole segment, as earlier bytes are still unsent."""


class Cohort:
    """The pending ticks and the members of one set of subscriptions in one form.

    Attributes:
        subscriptions: what the members asked for.
        batched: whether several ticks travel in one message, as a JSON array.
        append: of `pending`, bound once for all streams.
        streams: those whose ticks go through `pending`.
        latest: those the members take at an interval instead.
    """

    __slots__ = (
        "_behind",
        "_current",
        "append",
        "batched",
        "latest",
        "pending",
        "streams",
        "subscriptions",
    )

    def __init__(self, subscriptions: Subscriptions, *, batched: bool) -> None:
        self.subscriptions = subscriptions
        self.batched = batched
        self.pending: list[bytes] = []
        self.append = self.pending.append
        # Dicts as sets: of a few items they take a quarter of the memory, for every idle session.
        self.streams: dict[Stream, None] = {}
        self.latest: dict[Stream, None] = {}
        self._behind: dict[Member, None] = {}
        self._current: dict[Member, Callable[[bytes], int]] = {}

    def __len__(self) -> int:
        return len(self._current) + len(self._behind)

    def join(self, member: Member, *, behind: bool) -> None:
        """Take a member in; what is pending is not the newcomer's and must have been flushed."""
        if behind:
            self._behind[member] = None
        else:
            self._current[member] = member.write

    def leave(self, member: Member) -> None:
        """Let a member go; asking twice is fine."""
        self._current.pop(member, None)
        self._behind.pop(member, None)

    def caught_up(self, member: Member) -> None:
        """Put a member whose outbox has drained back among those served by direct sends."""
        self._behind.pop(member, None)
        self._current[member] = member.write

    def flush(self, burst: Burst) -> int:
        """Send what is pending to every member and give the number of ticks handed over."""
        pending, current = self.pending, self._current
        buffer = join_batches(pending) if self.batched else b"".join(pending)
        size = len(buffer)
        short: list[tuple[Member, int]] = []
        for member, write in current.items():
            taken = write(buffer)
            if taken != size:
                short.append((member, taken))
        ticks = len(pending) * (len(current) + len(self._behind))
        if short or self._behind:
            self._keep(Segment(buffer, self._frames(), burst), short)
        pending.clear()
        return ticks

    def _keep(self, segment: Segment, short: list[tuple[Member, int]]) -> None:
        for member in list(self._behind):
            member.offer(segment)
        for member, sent in short:
            del self._current[member]
            self._behind[member] = None
            member.fall_behind(segment, sent)

    def _frames(self) -> list[tuple[int, list[bytes]]]:
        """Give the size and the items of each frame; they outlive the pending list."""
        if not self.batched:
            return [(len(frame), [frame]) for frame in self.pending]
        return [(len(batch_frame(batch)), batch) for batch in batches(self.pending[:])]


def tick_frames(payloads: list[bytes], *, batched: bool) -> Iterator[bytes]:
    """Frame ticks in the form a session takes them."""
    if batched:
        return map(batch_frame, batches(payloads))
    return map(text_frame, payloads)


def batches(payloads: list[bytes]) -> list[list[bytes]]:
    """Cut payloads into lists that fit one batch message each."""
    if len(payloads) <= BATCH_TICKS:
        return [payloads] if payloads else []
    return [payloads[at : at + BATCH_TICKS] for at in range(0, len(payloads), BATCH_TICKS)]


def join_batches(payloads: list[bytes]) -> bytes:
    """Frame ticks as few messages, joined."""
    if len(payloads) <= BATCH_TICKS:
        return batch_frame(payloads)
    return b"".join(tick_frames(payloads, batched=True))


def batch_frame(payloads: list[bytes]) -> bytes:
    """Frame several ticks as one message, a JSON array."""
    body = b",".join(payloads)
    return b"".join((text_header(len(body) + 2), b"[", body, b"]"))
