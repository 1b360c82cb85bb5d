"""A tape for research: its ticks as DataFrames, the last values at a moment, a replay in a loop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feed.clock import Clock, SystemClock
from feed.errors import SettingError
from feed.tape.block import Part, Times
from feed.tape.frames import bars_frame, frame, last_frame, last_rows, moment_ns
from feed.tape.options import TapeOptions
from feed.tape.reader import AnyTape, open_tape
from feed.tape.ring import COLUMNS, NO_EPOCH, UNKNOWN_NS, Arrays, Codes, Columns, Ring
from feed.ticks import Bar, Quote, Status, Tick, Trade

if TYPE_CHECKING:
    import pandas as pd

NS_PER_S = 1_000_000_000


def open_view(*paths: str | PathLike[str], **options: Any) -> TapeView:
    """Open a tape for research: `feed.tape("ticks.csv.gz").quotes`.

    Args:
        paths: CSV or Parquet files, or folders of them, merged by time.
        options: where the file does not say it (docs/TAPES.md): `symbol`, `map` (canonical column
            -> the file's), `time_format`, `time_zone`, `bad_rows`, `start` and `end`.

    Raises:
        TapeError: there is no tape, or one that is not understood.
        SettingError: an option is not allowed.
    """
    told = dict(options)
    for name in ("start", "end"):
        if (moment := told.pop(name, None)) is not None:
            told[f"{name}_ns"] = moment_ns(moment, name)
    if "map" in told:
        told["mapping"] = told.pop("map")
    for name in told.keys() - TapeOptions.__slots__:
        allowed = "symbol, map, time_format, time_zone, bad_rows, start, end"
        raise SettingError(name, f"is no option of a tape, which are {allowed}")
    return TapeView(open_tape([Path(path) for path in paths], TapeOptions(**told)))


class TapeView:
    """One tape, read into columns on first use; frames have the same columns as those of Live.

    `seq` is what a feed that replays the tape once gives each tick. `ts_out` is NaT, unless a feed
    recorded it.
    """

    def __init__(
        self,
        tape: AnyTape,
        *,
        clock: Clock = SystemClock(),  # noqa: B008 - it has no state
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tape = tape
        self._clock = clock
        self._sleep = sleep

    def __repr__(self) -> str:
        names = ", ".join(path.name for path in self._tape.files)
        return f"<tape {names}>"

    @property
    def quotes(self) -> pd.DataFrame:
        """Every quote."""
        return frame(self._columns[Quote])

    @property
    def trades(self) -> pd.DataFrame:
        """Every trade."""
        return frame(self._columns[Trade])

    @property
    def status(self) -> pd.DataFrame:
        """Every change of trading status."""
        return frame(self._columns[Status])

    def bars(self, interval: str) -> pd.DataFrame:
        """Give bars such as 1s, 5min or 1d by time and symbol: the tape's own, else of its ticks.

        Bars are made of trades, or of mid-quotes where a symbol has no trades (`basis`).
        """
        of = self._columns
        return bars_frame(of[Bar], of[Trade], of[Quote], interval)

    @property
    def symbols(self) -> list[str]:
        """Every symbol, sorted."""
        return sorted(self._columns[Quote].names)

    def as_of(self, time: object) -> pd.DataFrame:
        """Give the last values at a moment, one row per symbol, with the columns of `Live.last`.

        Args:
            time: text, datetime or Timestamp (UTC where it has no zone), or nanoseconds; ticks of
                exactly that time count.
        """
        at_ns = moment_ns(time)
        return last_frame(*(self._until(self._columns[kind], at_ns) for kind in (Quote, Trade)))

    def replay(self, speed: float = 1.0) -> Iterator[Tick]:
        """Iterate over the ticks, each at its time: the types are those of a live feed.

        Args:
            speed: tape seconds per second; 0 is as fast as possible.

        Raises:
            SettingError: the speed is not 0 or more.
        """
        if not (np.isfinite(speed) and speed >= 0):
            raise SettingError("speed", f"must be 0 or more, was {speed:g}")
        return self._replay(speed)

    def _replay(self, speed: float) -> Iterator[Tick]:
        first_ns: int | None = None
        started_s, seqs = self._clock.monotonic_s(), Counter[tuple[type, str]]()
        for block in self._tape.blocks():
            for tick, due_ns in zip(block.ticks(0, len(block)), block.times.tolist(), strict=True):
                first_ns = due_ns if first_ns is None else first_ns
                if speed:
                    self._wait_until(started_s + (due_ns - first_ns) / NS_PER_S / speed)
                stream = type(tick), tick.symbol
                seqs[stream] += 1
                tick.seq, tick.ts_out = seqs[stream], self._clock.now_ns()
                yield tick

    def _wait_until(self, due_s: float) -> None:
        left_s = due_s - self._clock.monotonic_s()
        if left_s > 0:
            self._sleep(left_s)

    @cached_property
    def _columns(self) -> dict[type, Columns]:
        symbols = Codes()
        rings = {kind: Ring(kind, symbols) for kind in COLUMNS}
        for block in self._tape.blocks():
            for part in block.parts:
                for name in part.symbols[len(symbols) :]:
                    symbols[name]
                rings[part.kind].append(_arrays(part, block.ts_event))
        held = {kind: ring.columns for kind, ring in rings.items()}
        return {kind: _numbered(columns) for kind, columns in held.items()}

    @staticmethod
    def _until(columns: Columns, at_ns: int) -> Columns:
        return last_rows(columns.take(columns["ts_event"] <= at_ns))


def _arrays(part: Part, ts_event: Times) -> Arrays:
    """Give a part's rows under the names of a ring's columns, not numbered yet."""
    rows = len(part.codes)
    arrays: Arrays = {
        "symbol": part.codes,
        "seq": np.zeros(rows, np.int64),
        "ts_event": ts_event if part.rows is None else ts_event[part.rows],
        "ts_out": part.columns.get("ts_out", np.full(rows, UNKNOWN_NS)),
        "epoch": np.full(rows, NO_EPOCH),
    }
    for name, dtype in COLUMNS[part.kind].items():
        if name not in arrays:
            missing = np.full(rows, "trades" if name == "basis" else None, object)
            arrays[name] = part.columns.get(name, missing).astype(dtype)
    return arrays


def _numbered(columns: Columns) -> Columns:
    """Number each symbol's rows from 1 on."""
    codes = columns["symbol"]
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(columns.names))
    firsts: NDArray[Any] = np.repeat(np.cumsum(counts) - counts, counts)
    seq = np.empty(len(codes), np.int64)
    seq[order] = np.arange(len(codes)) - firsts + 1
    seq.flags.writeable = False
    return replace(columns, arrays={**columns.arrays, "seq": seq})
