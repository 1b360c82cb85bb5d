"""The same log, some time later: a hub for sessions that are entitled to delayed ticks only.

It keeps no log of its own. It has a position in each stream of the live hub, reads the journal from
there on as ticks come of age, and so has the same seqs; its newest ticks and statistics are those
of that time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container
from operator import attrgetter
from typing import Final

from feed.hub.hub import Hub
from feed.hub.journal import Journal
from feed.hub.stream import Stream
from feed.metrics import Metrics
from feed.symbols import ALL_SYMBOLS, SymbolSet
from feed.ticks import Tick

NS: Final = 1_000_000_000
CHUNK: Final = 64
"""How many ticks of a stream are read at a time."""

TURN_TICKS: Final = 2_000
"""The most ticks that one call takes in: a few milliseconds."""

_published = attrgetter("ts_out")

Told = Callable[[Stream, int, int], None]


class LateHub(Hub):
    """What a hub was `delay_s` ago.

    Args:
        missing: told of a range of seqs, both ends included, that the journal could not hold so
            long, before the stream goes on after it.
    """

    def __init__(self, live: Hub, delay_s: int, missing: Told) -> None:
        super().__init__(lambda flush: flush(), journal_ticks_per_stream=0, soon=live.soon)
        self.journal = LateJournal(live)
        self._live = live
        self._delay_ns = delay_s * NS
        self._missing = missing
        self._seqs: dict[Stream, int] = {}
        self._due_ns: dict[Stream, int] = {}

    def restart(self, gone: Container[str] | SymbolSet = ALL_SYMBOLS) -> None:
        """Begin a new numbering with nothing, as the live journal now does."""
        super().restart(ALL_SYMBOLS)
        self._seqs.clear()
        self._due_ns.clear()

    def catch_up(self, now_ns: int) -> bool:
        """Take in what has come of age; tells whether that was all."""
        until_ns = now_ns - self._delay_ns
        ticks: list[Tick] = []
        for live in list(self._live.index.streams()):
            if self._due_ns.get(live, 0) <= until_ns and live.seq:
                ticks += self._read(live, until_ns)
                if len(ticks) > TURN_TICKS:
                    break
        ticks.sort(key=_published)
        self.receive(ticks, [self.index.stream_of(tick) for tick in ticks])
        self._hand_over_counts()
        return len(ticks) <= TURN_TICKS

    def _read(self, live: Stream, until_ns: int) -> list[Tick]:
        """Read what is due of one stream, and note when its next tick is."""
        journal, seq, read = self._live.journal, self._seqs.get(live, 0), list[Tick]()
        self._due_ns[live] = 0
        while seq < live.seq and len(read) < TURN_TICKS:
            found = journal.since(live, seq + 1, CHUNK)
            if found is None:
                self._skip(live, seq + 1, journal.first_seq(live) - 1)
                seq = journal.first_seq(live) - 1
                continue
            due = found[: bisect_right(found, until_ns, key=_published)]
            read += due
            seq += len(due)
            if len(due) < len(found):
                self._due_ns[live] = found[len(due)].ts_out
                break
        self._seqs[live] = seq
        if read:
            self.index.stream(live.channel, live.symbol).seq = seq
        return read

    def _skip(self, live: Stream, first_seq: int, last_seq: int) -> None:
        """Go on after a hole; a stream begins with one too, so that all who come see its seq."""
        stream = self.index.find(live.channel, live.symbol)
        if stream is None or not stream.ticked:
            stream = self.index.begin(live.channel, live.symbol)
        stream.clear()  # what was the newest tick is not that of this seq
        stream.seq = last_seq
        self._missing(stream, first_seq, last_seq)

    def _hand_over_counts(self) -> None:
        """Count deliveries with those of the live hub; ticks in were counted there already."""
        own, total, self.metrics = self.metrics, self._live.metrics, Metrics()
        total.ticks_out.update(own.ticks_out)
        total.bytes_out += own.bytes_out
        total.encodings += own.encodings
        total.conflated += own.conflated


class LateJournal(Journal):
    """The live hub's journal, up to where a late stream has come."""

    def __init__(self, live: Hub) -> None:
        super().__init__(0, 0)
        self._live = live

    def first_seq(self, stream: Stream) -> int:
        """Give the oldest seq that is kept; the next one to come when nothing is."""
        live = self._live_stream(stream)
        return min(self._live.journal.first_seq(live), stream.seq + 1)

    def since(self, stream: Stream, first_seq: int, count: int) -> list[Tick] | None:
        """Give up to `count` ticks from `first_seq` on, in order; None when that one is gone."""
        live = self._live_stream(stream)
        return self._live.journal.since(live, first_seq, _left(stream, first_seq, count))

    def payloads(self, stream: Stream, first_seq: int, count: int) -> list[bytes] | None:
        """Give what `since` gives, as it is on the wire."""
        live = self._live_stream(stream)
        return self._live.journal.payloads(live, first_seq, _left(stream, first_seq, count))

    def _live_stream(self, stream: Stream) -> Stream:
        """Give the live stream; where there is none, the late one, which is as empty."""
        return self._live.index.find(stream.channel, stream.symbol) or stream


def _left(stream: Stream, first_seq: int, count: int) -> int:
    return max(0, min(count, stream.seq - first_seq + 1))
