"""Sessions that asked for the same thing in the same form share what is pending for them.

A session with a watchlist of its own is a cohort of one. Members that keep up get the bytes by one
direct send; members that are behind get a `Segment` to keep in their outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from feed.hub.interval import Interval
from feed.hub.path import Pending, Ticked, heads
from feed.hub.pending import Target, message_sizes
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscriptions


class Unsent(NamedTuple):
    """A tick that did not go out."""

    stream: Stream
    seq: int
    payload: bytes


class Segment:
    """What one flush owes one cohort: the bytes, and the way back from bytes to ticks.

    Args:
        ticked: the streams there are, by symbol, for each of CHANNELS.

    Attributes:
        buffer: whole frames, ready to send.
    """

    __slots__ = (
        "_batched",
        "_firsts",
        "_parted",
        "_payloads",
        "_subscriptions",
        "_ticked",
        "_whole",
        "buffer",
    )

    def __init__(self, cohort: Cohort, ticked: Ticked) -> None:
        self.buffer = cohort.buffer()
        self._subscriptions = cohort.subscriptions
        self._batched = cohort.batched
        self._payloads = cohort.payloads()
        self._ticked = ticked
        self._whole: list[Unsent] | None = None
        self._firsts: dict[Stream, int] | None = None
        self._parted: tuple[dict[Stream, int], dict[Stream, int]] | None = None

    @property
    def whole(self) -> list[Unsent]:
        """Every tick in it; worked out once for all members."""
        if self._whole is None:
            self._whole = self._unsent(self._payloads)
        return self._whole

    @property
    def firsts(self) -> dict[Stream, int]:
        """The first seq of each stream in it; worked out once for all members."""
        if self._firsts is None:
            self._firsts = dict(reversed(heads(self._payloads, self._ticked)))
        return self._firsts

    @property
    def parted(self) -> tuple[dict[Stream, int], dict[Stream, int]]:
        """`firsts` of the streams that its members conflate, and of others; likewise."""
        if self._parted is None:
            conflates, firsts = self._subscriptions.conflates, self.firsts
            state = {stream: first for stream, first in firsts.items() if conflates(stream)}
            others = {stream: firsts[stream] for stream in firsts.keys() - state.keys()}
            self._parted = state, others
        return self._parted

    def after(self, sent: int) -> tuple[bytes, list[Unsent]]:
        """Split what is unsent after `sent` bytes.

        Returns:
            The rest of a frame that was sent in part and must be completed, and the ticks of the
            frames of which nothing was sent.
        """
        end, rest = 0, b""
        ticks: list[Unsent] = []
        for size, payloads in message_sizes(self._payloads, batched=self._batched):
            start, end = end, end + size
            if start >= sent:
                ticks += self._unsent(payloads)
            elif end > sent:
                rest = self.buffer[sent:end]
        return rest, ticks

    def _unsent(self, payloads: list[bytes]) -> list[Unsent]:
        told = zip(heads(payloads, self._ticked), payloads, strict=True)
        return [Unsent(stream, seq, payload) for (stream, seq), payload in told]


class Member(Protocol):
    """A session, as its cohort sees it.

    Attributes:
        target: where a flush sends its bytes.
    """

    @property
    def target(self) -> Target: ...

    def write(self, buffer: bytes) -> int:
        """Send without blocking and give the number of bytes taken; a dead socket takes all."""

    def fall_behind(self, segment: Segment, sent: int) -> None:
        """Keep what a short write left of a segment."""

    def offer(self, segment: Segment) -> None:
        """Keep a whole segment, as earlier bytes are still unsent."""

    def take_newest(self, interval: Interval, streams: list[Stream]) -> None:
        """Take the newest ticks of some streams that it takes at an interval."""


class Cohort(Pending):
    """The pending ticks and the members of one set of subscriptions in one form.

    Attributes:
        subscriptions: what the members asked for.
        batched: whether several ticks travel in one message, as a JSON array.
        streams: those whose ticks go through what is pending.
        latest: those the members take at an interval instead, each with that.
        intervals: by their length in ms.
        current: the members that keep up, each with where its bytes go.
        behind: the others.
    """

    __slots__ = ("behind", "current", "intervals", "latest", "streams", "subscriptions")

    def __init__(self, subscriptions: Subscriptions, *, batched: bool) -> None:
        super().__init__(batched=batched)
        self.subscriptions = subscriptions
        # Dicts as sets: of a few items they take a quarter of the memory, for every idle session.
        self.streams: dict[Stream, None] = {}
        self.latest: dict[Stream, Interval] = {}
        self.intervals: dict[int, Interval] = {}
        self.behind: dict[Member, None] = {}
        self.current: dict[Member, Target] = {}

    @property
    def members(self) -> int:
        """How many there are."""
        return len(self.current) + len(self.behind)

    def everybody(self) -> list[Member]:
        """Give whoever is a member at the moment."""
        return [*self.current, *self.behind]

    def has(self, member: Member) -> bool:
        """Tell whether somebody is a member."""
        return member in self.current or member in self.behind

    def join(self, member: Member, *, behind: bool) -> None:
        """Take a member in; what is pending is not the newcomer's and must have been flushed."""
        if behind:
            self.behind[member] = None
        else:
            self.current[member] = member.target

    def leave(self, member: Member) -> None:
        """Let a member go; asking twice is fine."""
        self.current.pop(member, None)
        self.behind.pop(member, None)

    def caught_up(self, member: Member) -> None:
        """Put a member whose outbox has drained back among those served by direct sends."""
        self.behind.pop(member, None)
        self.current[member] = member.target

    def keep(self, ticked: Ticked, short: Sequence[tuple[Member, int]]) -> None:
        """Let members keep what is pending: those that were behind, and those that took too little.

        Args:
            short: the latter, with how many bytes each took; -1 is a socket that failed.
        """
        segment = Segment(self, ticked)
        self.clear()
        for member in list(self.behind):
            member.offer(segment)
        for member, taken in short:
            if self.current.pop(member, None) is None:  # it has left meanwhile
                continue
            self.behind[member] = None
            # A socket that failed is written to once more, as it knows what to do then.
            sent = taken if taken >= 0 else member.write(segment.buffer)
            member.fall_behind(segment, sent)
