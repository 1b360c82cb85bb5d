"""The folder of a recording: `DATE/CHANNEL/TIME-EPOCH.parquet`, by the UTC time of publishing.

What a recorder that was killed has left behind is found here too, and read as far as it goes.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec

from feed.errors import TapeError
from feed.folder import reason_of
from feed.tape.arrow import arrow, to_ticks
from feed.tape.files import reading
from feed.tape.segment import GROWING, PARQUET, Tearable, batches, complete
from feed.ticks import CHANNEL_OF, Tick

log = logging.getLogger(__name__)

KIND_OF: Final = {channel: kind for kind, channel in CHANNEL_OF.items()}
Batches = Generator[Any, None, None]
Ticks = Iterator[list[Tick]]
Least = Mapping[str, int | None]

HOLES: Final = "holes.ndjson"
ROWS: Final = 16_384
"""How many are read at a time."""

_NAME: Final = re.compile(r"(\d{6}\.\d{6}-([0-9a-z]+))(\.parquet|\.arrow\.part)")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


class Hole(msgspec.Struct):
    """Ticks that could not be written.

    Attributes:
        first_ts_out: when the first of them was published; `last_ts_out` likewise.
        ticks: how many.
        reason: why.
    """

    first_ts_out: int
    last_ts_out: int
    ticks: int
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One segment; they sort by when they began.

    Attributes:
        began: date and time.
        epoch: of all its ticks.
    """

    began: str
    channel: str
    epoch: str
    path: Path

    @property
    def grows(self) -> bool:
        """Whether it may still be written to, or its writer was killed."""
        return self.path.name.endswith(GROWING)

    def batches(self, columns: list[str] | None = None, least: Least | None = None) -> Batches:
        """Read it from the beginning.

        Args:
            least: rows are left out, as far as that saves reading them, if they lie below.

        Raises:
            TapeError: it cannot be read.
        """
        with reading(self.path):
            if self.grows:
                with suppress(FileNotFoundError):  # it has been completed in the meantime
                    yield from batches(self.path)
                    return
            path = self.path.with_name(self.path.name.replace(GROWING, PARQUET))
            with arrow(f"reading {path.name}").parquet.ParquetFile(path) as file:
                groups = _groups(file, least or {})
                yield from file.iter_batches(ROWS, groups, columns=columns, use_threads=False)

    @property
    def is_torn(self) -> bool:
        """Whether it ends in the middle of a batch."""
        found = Tearable(batches(self.path))
        deque(found, maxlen=0)
        return found.torn

    @property
    def rows(self) -> int:
        """How many ticks it has."""
        if self.grows:
            return sum(batch.num_rows for batch in self.batches())
        with (
            reading(self.path),
            arrow(f"reading {self.path.name}").parquet.ParquetFile(self.path) as file,
        ):
            return int(file.metadata.num_rows)

    @property
    def first_place(self) -> int | None:
        """The place of its first tick; None when it has none."""
        with closing(self.batches(["place"])) as found:
            for batch in found:
                return int(batch.column("place")[0].as_py())
        return None

    def read(self, symbol: str, first_seq: int = 1, from_ns: int | None = None) -> Ticks:
        """Give the ticks of one symbol from a seq on.

        Args:
            from_ns: ticks with an earlier `ts_event` may be left out.

        Raises:
            TapeError: it cannot be read.
        """
        import pyarrow.compute as pc

        kind = KIND_OF[self.channel]
        for batch in self.batches(least={"seq": first_seq, "ts_event": from_ns}):
            wanted = pc.equal(batch.column("symbol"), symbol)
            if first_seq > 1:
                wanted = pc.and_(wanted, pc.greater_equal(batch.column("seq"), first_seq))
            found = batch.filter(wanted)
            if found.num_rows:
                yield to_ticks(kind, found)


def _groups(file: Any, least: Least) -> list[int]:
    """Give the row groups that may have values that are not below."""
    names, metadata = file.schema_arrow.names, file.metadata
    return [
        group
        for group in range(metadata.num_row_groups)
        if all(
            bound is None or _highest(metadata.row_group(group).column(names.index(name))) >= bound
            for name, bound in least.items()
        )
    ]


def _highest(column: Any) -> float:
    found = column.statistics
    if found is None or not found.has_min_max:
        return inf
    return getattr(found.max, "value", found.max)  # type: ignore[no-any-return] # a pandas Timestamp


def new_name(folder: Path, channel: str, epoch: str, ts_out: int) -> Path:
    """Give a path for a segment that begins with a tick of this time, and is not there yet."""
    while True:
        began = datetime.fromtimestamp(ts_out // 1_000_000_000, UTC)
        stem = f"{began:%H%M%S}.{ts_out // 1_000 % 1_000_000:06}-{epoch}"
        place = folder / f"{began:%Y-%m-%d}" / channel
        if not any((place / f"{stem}{ending}").exists() for ending in (GROWING, PARQUET)):
            return place / f"{stem}{GROWING}"
        ts_out += 1_000


def segment_at(path: Path) -> Segment | None:
    """Tell what segment a path is, if it is one by its name and its folders."""
    found = _NAME.fullmatch(path.name)
    channel, date = path.parent.name, path.parent.parent.name
    if found is None or channel not in KIND_OF or not _DATE.fullmatch(date):
        return None
    return Segment(f"{date}/{found[1]}", channel, found[2], path)


def segments_at(path: Path) -> list[Segment]:
    """Give the segments that a recording, a date or a channel of one, or a single file is."""
    if path.is_dir():
        inside = (own for depth in ("*", "*/*", "*/*/*") for own in path.resolve().glob(depth))
        return _distinct(inside)
    return _distinct([path.resolve()])


def segments_under(folder: Path, channel: str = "*") -> list[Segment]:
    """Give the segments of a recording, or of a part of one, in order.

    One that has just been completed is there twice for a moment; then it is the complete one.
    """
    endings = f"*{GROWING}", f"*{PARQUET}"
    return _distinct(own for ending in endings for own in folder.glob(f"*/{channel}/{ending}"))


def _distinct(paths: Iterable[Path]) -> list[Segment]:
    found = {(own.began, own.channel): own for path in paths if (own := segment_at(path))}
    return sorted(found.values())


def recover(folder: Path) -> None:
    """Complete what a recorder that was killed has left; nobody else may be writing there."""
    for segment in segments_under(folder):
        if segment.grows:
            finish(segment.path)
        else:  # what it was made of may have been left beside it
            stem = segment.path.name.removesuffix(PARQUET)
            segment.path.with_name(f"{stem}{GROWING}").unlink(missing_ok=True)


def finish(path: Path) -> None:
    """Complete a segment; one of which that fails stays as it is, which can be read as well."""
    try:
        torn = complete(path)
    except OSError as error:
        log.warning("%s stays as it is: %s", path, reason_of(error))
    except Exception:  # whatever is wrong with its ticks, others are to be recorded
        log.exception("%s stays as it is", path)
    else:
        if torn:
            log.warning("%s: left out a torn end, what came before it is kept", path)


def note(folder: Path, hole: Hole) -> None:
    """Write down that ticks are missing.

    Raises:
        OSError: the disk does not take it.
    """
    with (folder / HOLES).open("ab") as file:
        file.write(msgspec.json.encode(hole) + b"\n")


def holes(folder: Path) -> list[Hole]:
    """Give what is written down as missing.

    Raises:
        TapeError: that cannot be read.
    """
    path = folder / HOLES
    if not path.exists():
        return []
    with reading(path):
        lines = [own for own in path.read_bytes().splitlines() if own]
        try:
            return [msgspec.json.decode(own, type=Hole) for own in lines]
        except msgspec.MsgspecError:
            raise TapeError(path, "is damaged") from None
