"""Play a recording: every tick in the order in which it was published, when it was published.

The ticks are those of the feed that was recorded, bars too; nothing has to be recognised, and time
may go backwards in it, as it does where a tape was played in a loop.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from feed.errors import TapeError
from feed.symbols import symbol_ok
from feed.tape.arrow import fields_of, to_array
from feed.tape.block import Part, TickBlock
from feed.tape.checks import Findings, Skipped
from feed.tape.columns import Indexes, Words
from feed.tape.merge import Lane, merge
from feed.tape.options import TapeOptions
from feed.tape.recording import KIND_OF, Segment, holes, segments_at
from feed.tape.rows import SymbolTable

log = logging.getLogger(__name__)


def find_recording(paths: Sequence[Path]) -> list[Segment]:
    """Give the segments that the paths name, in order; none where they name other tapes.

    Raises:
        TapeError: only some of the paths are of a recording.
    """
    found = [segments_at(path) for path in paths]
    for path, segments in zip(paths, found, strict=True):
        if any(found) and not segments:
            raise TapeError(path, "is no recording, and cannot be played together with one")
    return sorted(segment for segments in found for segment in segments)


class RecordedTape:
    """The segments of a recording; used as `feed.tape.reader.Tape` is."""

    def __init__(self, segments: Sequence[Segment], options: TapeOptions) -> None:
        self._segments = segments
        self._options = options
        self._table = SymbolTable()
        self._skipped = Skipped()
        self._warn()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in order."""
        return tuple(segment.path for segment in self._segments)

    @property
    def has_bars(self) -> bool:
        """Whether it brings the bars that the feed would make."""
        return any(segment.channel == "bars" for segment in self._segments)

    @cached_property
    def rows(self) -> int | None:
        """How many ticks there are."""
        if self._options.start_ns is not None or self._options.end_ns is not None:
            return None
        return sum(segment.rows for segment in self._segments)

    @property
    def skipped_rows(self) -> int:
        """How many bad rows the latest reading has left out so far."""
        return self._skipped.count

    @property
    def skipped_reasons(self) -> tuple[str, ...]:
        """Why, for the first few, each with file and row."""
        return tuple(self._skipped.reasons)

    @cached_property
    def symbols(self) -> frozenset[str]:
        """Every symbol of it."""
        found: set[str] = set()
        for segment in self._segments:
            for batch in segment.batches(["symbol"]):
                found.update(batch.column("symbol").unique().drop_null().to_pylist())
        return frozenset(filter(symbol_ok, found))

    def blocks(self) -> Generator[TickBlock, None, None]:
        """Read the ticks from the beginning, within start and end if they are set.

        Raises:
            TapeError: when a file cannot be read, has a bad row, or there is no tick at all.
        """
        self._skipped = Skipped()
        some = False
        for merged in merge([self._lane(own, self._skipped) for own in self._segments]):
            block = _played(merged)
            low, high = block.cut(self._options.start_ns, self._options.end_ns)
            if low < high:
                some = True
                yield block.slice(low, high)
            if high < len(block):
                break
        if not some:
            raise TapeError(self.files[0], self._why_nothing())

    def _lane(self, segment: Segment, skipped: Skipped) -> Lane:
        return Lane(segment.first_place, lambda: self._read(segment, skipped))

    def _read(self, segment: Segment, skipped: Skipped) -> Iterator[TickBlock]:
        """Give a segment's ticks as blocks in order of `place`, which stands in for the time."""
        first_row = 1
        for batch in segment.batches():
            findings = Findings(batch.num_rows)
            codes = self._table.codes(_words(batch.column("symbol")), findings)
            findings.settle(segment.path, first_row, self._options.bad_rows, skipped)
            first_row += batch.num_rows
            block = findings.good_of(_block(KIND_OF[segment.channel], batch, codes, self._table))
            if len(block):
                yield block

    def _why_nothing(self) -> str:
        if self._skipped.count:
            return f"no good row in this recording: {self._skipped.reasons[0]}"
        return "no tick in this recording, or none of that time"

    def _warn(self) -> None:
        """Tell what the recording lacks."""
        for segment in self._segments:
            if segment.grows and segment.is_torn:
                log.warning("%s: left out a torn end, what came before it is played", segment.path)
        for folder in dict.fromkeys(segment.path.parents[2] for segment in self._segments):
            for hole in holes(folder):
                log.warning("%s: lacks %d ticks: %s", folder, hole.ticks, hole.reason)


def _block(kind: type, batch: Any, codes: Indexes, table: SymbolTable) -> TickBlock:
    fields = (name for name in fields_of(kind) if name not in ("symbol", "seq"))
    columns = {name: to_array(name, batch.column(name)) for name in fields}
    places = batch.column("place").to_numpy()
    return TickBlock(places, (Part(kind, None, table.names, codes, columns),))


def _words(column: Any) -> Words:
    found = column.dictionary_encode()
    names = np.array(found.dictionary.to_pylist(), dtype=object)
    return Words(found.indices.fill_null(-1).to_numpy(), names)


def _played(block: TickBlock) -> TickBlock:
    """Give a block that is in order of `place` with its own times."""
    times = {name: np.empty(len(block), np.int64) for name in ("ts_event", "ts_out")}
    for part in block.parts:
        rows = slice(None) if part.rows is None else part.rows
        for name, values in times.items():
            values[rows] = part.columns[name]
    return TickBlock(times["ts_event"], block.parts, np.maximum.accumulate(times["ts_out"]))
