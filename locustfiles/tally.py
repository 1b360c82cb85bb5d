"""What users counted: numbers that add up over users, seconds, processes and machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import copy
from itertools import groupby
from operator import attrgetter
from typing import Final, TypeVar

import msgspec

from feed.client.events import Disorder, Gap
from feed.ticks import Tick
from locustfiles.histogram import Histogram

Key = TypeVar("Key")

TICK_LATENCY: Final = "tick latency"
AS_READ: Final = "tick latency as read"
"""The same up to our reading it: what a client sees that does not ask the kernel."""

INTER_ARRIVAL: Final = "inter-arrival"
READER_DELAY: Final = "reader delay"
"""From the arrival of bytes on this machine to their being read: ours, and no part of a latency."""

END_TO_END: Final = "end to end"
"""From the moment a publisher stamped a tick to its arrival at a subscriber."""

RESUMED_AGE: Final = "resumed tick age"
"""Of ticks that a resume brings back, the age says how long the user was away, no more."""

COUNTS: Final = (
    "ticks",
    "received_bytes",
    "skipped",
    "resumed",
    "published",
    "tried",
    "opened",
    "dropped",
)
"""The plain numbers of a Tally."""

FAULTS: Final = {
    "gap": "no tick, and no word of it",
    "duplicate": "accounted for before",
    "reordered": "after later seqs of the same stream",
    "renumbered": "newer than what had their seq before, and no word of a new epoch",
    "foreign": "of no stream that was asked for",
    "withheld": "skipped on a pretext that the delivery contract does not know",
    "silent": "streams that stood still while the feed went on, to the end",
    "delayed": "longer on the way than --delayed-ms, or than what was published later",
    "stale": "no heartbeat for three intervals",
    "closed": "connections that the server ended, and nobody asked it to",
    "lost": "ticks that a resume came too late for",
    "refused": "connections and commands that were refused, or not answered",
    "protocol": "messages that are not of protocol 1",
}
"""Each way of being wrong, and what it means."""

_TS_OUT: Final = attrgetter("ts_out")


class Load(msgspec.Struct):
    """One load generator: how busy it was, and how many ticks it took once all users had started.

    Attributes:
        wall_s: how long it was watched.
        cpu_s: CPU time it took.
        waited_s: how long it was ready to run and had no core.
        busy_s: seconds in which it took nearly all of a core.
        lag: how late its loop was, twenty times a second.
        offset: what it knows of the server's clock.
        most_bytes: of memory that it ever had.
        steady_ticks: received after every user had started.
        steady_s: for how long.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    waited_s: float = 0.0
    busy_s: float = 0.0
    lag: Histogram = msgspec.field(default_factory=Histogram)
    offset: str = ""
    most_bytes: int = 0
    steady_ticks: int = 0
    steady_s: float = 0.0

    def merge(self, other: Load) -> None:
        """Add what came later of the same process."""
        self.wall_s += other.wall_s
        self.cpu_s += other.cpu_s
        self.waited_s += other.waited_s
        self.busy_s += other.busy_s
        self.steady_ticks += other.steady_ticks
        self.steady_s += other.steady_s
        self.lag.merge(other.lag)
        self.offset = other.offset or self.offset
        self.most_bytes = max(self.most_bytes, other.most_bytes)


class Tally(msgspec.Struct):
    """Counts of some users over some time.

    Attributes:
        ticks: received.
        received_bytes: without the handshakes.
        skipped: ticks the server said it deliberately did not send.
        resumed: ticks that resumes brought back.
        published: ticks that the server took from users.
        tried: connections begun.
        opened: connections made.
        dropped: connections that users cut without a word.
        codes: connections by the close code they ended with.
        faults: by the names of `FAULTS`.
        examples: fault -> where it was first seen.
        histograms: durations by their name.
        loads: load generators by their name.
    """

    ticks: int = 0
    received_bytes: int = 0
    skipped: int = 0
    resumed: int = 0
    published: int = 0
    tried: int = 0
    opened: int = 0
    dropped: int = 0
    codes: dict[int, int] = {}
    faults: dict[str, int] = {}
    examples: dict[str, str] = {}
    histograms: dict[str, Histogram] = {}
    loads: dict[str, Load] = {}

    def histogram(self, name: str) -> Histogram:
        """Give the histogram of this name, a new one if need be."""
        found = self.histograms.get(name)
        if found is None:
            found = self.histograms[name] = Histogram()
        return found

    @property
    def rate(self) -> float:
        """Ticks per second of all users together, once all had started; else on the whole."""
        loads = self.loads.values()
        if any(load.steady_s for load in loads):
            return sum(load.steady_ticks / load.steady_s for load in loads if load.steady_s)
        return self.ticks / max((load.wall_s for load in loads if load.wall_s), default=1.0)

    def fault(self, name: str, count: int, example: str) -> None:
        """Count what must not be."""
        self.faults[name] = self.faults.get(name, 0) + count
        self.examples.setdefault(name, example)

    def loss(self, event: Gap | Disorder) -> None:
        """Count what a ledger found; a tick that comes after all is no gap any more."""
        where = f"{event.channel} {event.symbol} seq"
        if isinstance(event, Gap):
            self.fault("gap", event.count, f"{where} {event.first_seq} to {event.last_seq}")
        elif event.reason == "late":
            self.fault("reordered", 1, f"{where} {event.seq}")
            self.faults["gap"] = self.faults.get("gap", 0) - 1
        else:
            self.fault("duplicate", 1, f"{where} {event.seq}")

    def arrived(
        self,
        ticks: list[Tick],
        now_ns: int,
        name: str,
        *,
        delayed_ns: int,
        late_ns: int = 0,
        since_ns: int | None = None,
    ) -> None:
        """Count the ticks of one read by their latency; those of one burst are counted together.

        Of a read only the end's arrival is known. What was published before the end is taken to
        have travelled as fast, as far as that may be: it was not there when we had last looked.

        Args:
            now_ns: when the last of them arrived, by the server's clock.
            name: of the histogram.
            delayed_ns: from what latency on a tick is a fault.
            late_ns: from the arrival to the reading.
            since_ns: when none of them had arrived; None: they came at once.
        """
        self.ticks += len(ticks)
        add = self.histogram(name).add
        add_as_read = self.histogram(AS_READ).add if name == TICK_LATENCY else None
        last_ns, first_ns = now_ns - ticks[-1].ts_out, now_ns if since_ns is None else since_ns
        for ts_out, burst in groupby(ticks, _TS_OUT):
            own = list(burst)
            latency_ns = min(max(first_ns, ts_out + last_ns), now_ns) - ts_out
            add(latency_ns, len(own))
            if add_as_read is not None:
                add_as_read(now_ns + late_ns - ts_out, len(own))
            if latency_ns > delayed_ns:
                self.fault("delayed", len(own), f"{own[0].symbol} by {latency_ns / 1e6:,.1f} ms")

    def merge(self, other: Tally) -> None:
        """Add what others counted, or the same ones later."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.codes = _sum(self.codes, other.codes)
        self.faults = _sum(self.faults, other.faults)
        self.examples = {**other.examples, **self.examples}
        for name, histogram in other.histograms.items():
            self.histogram(name).merge(histogram)
        for name, load in other.loads.items():
            self.loads.setdefault(name, Load()).merge(load)

    def take(self) -> Tally:
        """Give what has been counted, and begin anew."""
        taken, fresh = copy(self), Tally()
        for name in self.__struct_fields__:
            setattr(self, name, getattr(fresh, name))
        return taken

    def encode(self) -> bytes:
        """Give the form that travels from worker to master."""
        return msgspec.msgpack.encode(self)


def decode(data: bytes) -> Tally:
    """Read what `Tally.encode` wrote."""
    return msgspec.msgpack.decode(data, type=Tally)


def _sum(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    counts = Counter(one)
    counts.update(other)
    return dict(counts)
