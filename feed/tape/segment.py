"""One file of a recording: ticks of one channel and one epoch, in the order of publishing.

While it grows it is an Arrow IPC stream, of which every batch is readable as soon as it is written,
whatever happens afterwards; a Parquet file is readable only once its end is written. So a segment
is turned into Parquet when it is complete, and replaced by it in one step.

Beside its fields each tick has `epoch`, and `place`: its number in the whole recording, which no
clock can turn around.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from feed.tape.arrow import Pipe, arrow, schema_of, to_batch
from feed.ticks import Tick

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET: Final = ".parquet"
GROWING: Final = ".arrow.part"
"""How the names of a complete and of a growing segment end."""

GROUP_ROWS: Final = 131_072


@cache
def stored_schema(kind: type) -> pa.Schema:
    """Give the columns of a segment."""
    import pyarrow as pa

    return (
        schema_of(kind).append(pa.field("epoch", pa.string())).append(pa.field("place", pa.int64()))
    )


class GrowingSegment:
    """A segment that grows.

    Attributes:
        path: where it is.
        size: its bytes so far.
        rows: its ticks so far.
    """

    def __init__(self, path: Path, kind: type, epoch: str) -> None:
        pa = arrow("recording")
        self.path = path
        self.size = 0
        self.rows = 0
        self._kind = kind
        self._epoch = epoch
        self._schema = stored_schema(kind)
        self._pipe = Pipe()
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        self._writer = pa.ipc.new_stream(self._pipe, self._schema, options=options)
        self._unwritten = self._pipe.take()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)

    def append(self, ticks: Sequence[Tick], places: Sequence[int]) -> None:
        """Write one batch; when that fails the segment is as long as it was.

        Raises:
            OSError: the disk does not take it.
        """
        import pyarrow as pa

        fields = to_batch(self._kind, ticks).columns
        epochs = pa.repeat(pa.scalar(self._epoch), len(ticks))
        columns = [*fields, epochs, pa.array(places, pa.int64())]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        batch = self._pipe.take()
        self._write(self._unwritten + batch)
        self._unwritten = b""
        self.rows += len(ticks)

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)
        if not self.rows:
            with suppress(OSError):
                self.path.unlink()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(data)


def batches(path: Path) -> Generator[Any, None, bool]:
    """Give the whole batches of a growing segment; what is torn at its end is left out.

    Returns:
        Whether the end was torn.
    """
    pa = arrow(f"reading {path.name}")
    with path.open("rb") as file:
        try:
            reader = pa.ipc.open_stream(file)
        except (pa.ArrowInvalid, OSError):
            return file.seek(0, os.SEEK_END) > 0
        while True:
            start = file.tell()
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return file.seek(0, os.SEEK_END) > start
            except (pa.ArrowInvalid, OSError):
                return True
            yield batch


def complete(path: Path) -> bool:
    """Turn a growing segment, which nobody writes to any more, into Parquet.

    When there is no room for that it stays as it is, and can be read as well.

    Returns:
        Whether its end was torn.

    Raises:
        OSError: the disk does not take it.
    """
    pa = arrow("recording")
    target = path.with_name(path.name.removesuffix(GROWING) + PARQUET)
    draft = target.with_name(f".{target.name}.draft")
    found = Tearable(batches(path))
    try:
        with draft.open("wb") as file:
            _write_groups(pa, file, found)
            file.flush()
            os.fsync(file.fileno())
        if found.rows:
            draft.replace(target)
        path.unlink()
    finally:
        draft.unlink(missing_ok=True)
    return found.torn


class Tearable:
    """Batches, and what is known of them at their end."""

    def __init__(self, source: Generator[Any, None, bool]) -> None:
        self._source = source
        self.torn = False
        self.rows = 0

    def __iter__(self) -> Iterator[Any]:
        self.torn = yield from self._source


def _write_groups(pa: Any, file: Any, found: Tearable) -> None:
    writer = None
    held: list[Any] = []
    for batch in found:
        found.rows += batch.num_rows
        held.append(batch)
        writer = writer or pa.parquet.ParquetWriter(file, batch.schema, compression="zstd")
        if sum(own.num_rows for own in held) >= GROUP_ROWS:
            writer.write_table(pa.Table.from_batches(held))
            held = []
    if writer is not None:
        if held:
            writer.write_table(pa.Table.from_batches(held))
        writer.close()
