"""Ticks as Arrow columns and back, with every field they have on the wire.

Times are typed as nanoseconds, UTC. Sizes are float64, as some venues trade fractions; whole ones
come back as integers, exact to 2**53.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from sys import intern
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from feed.errors import MissingExtraError
from feed.tape.ring import COLUMNS, Arrays, Codes
from feed.ticks import Tick

if TYPE_CHECKING:
    import pyarrow as pa

WORDS: Final = frozenset({"symbol", "interval", "status", "reason", "basis"})
TIMES: Final = frozenset({"ts_event", "ts_out"})
COUNTS: Final = frozenset({"seq", "trades"})
SIZES: Final = frozenset({"bid_size", "ask_size", "size", "volume"})

GROUP_TICKS: Final = 16_384
"""Rows of Parquet that are packed together in a body."""


def arrow(purpose: str) -> Any:
    """Import pyarrow.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("tapes", purpose) from None
    return pyarrow


@cache
def schema_of(kind: type) -> pa.Schema:
    """Give the columns of one kind of tick, in the order of its fields."""
    import pyarrow as pa

    def type_of(name: str) -> Any:
        if name in TIMES:
            return pa.timestamp("ns", "UTC")
        if name in COUNTS:
            return pa.int64()
        return pa.string() if name in WORDS else pa.float64()

    return pa.schema([(name, type_of(name)) for name in fields_of(kind)])


def fields_of(kind: type) -> tuple[str, ...]:
    """Name the fields of one kind of tick, in order."""
    return kind.__struct_fields__  # type: ignore[attr-defined,no-any-return]


def to_batch(kind: type, ticks: Sequence[Tick]) -> pa.RecordBatch:
    """Give ticks of one kind as columns."""
    import pyarrow as pa

    schema = schema_of(kind)
    columns = [_array(own, list(map(attrgetter(own.name), ticks))) for own in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _array(field: Any, values: list[Any]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, field.type)
    except pa.ArrowInvalid:  # an integer beyond 2**53: as near as a float comes
        return pa.array([None if own is None else float(own) for own in values], field.type)


def to_ticks(kind: type, batch: pa.RecordBatch) -> list[Tick]:
    """Build the ticks of a batch that `to_batch` made; further columns are left out."""
    return list(map(kind, *(_values(name, batch.column(name)) for name in fields_of(kind))))


def to_array(name: str, column: Any) -> NDArray[Any]:
    """Give one field of a batch as blocks of ticks hold it: objects where something is missing."""
    import pyarrow as pa

    if name in TIMES:
        return column.cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
    if name in WORDS or name in SIZES or column.null_count:
        values = np.empty(len(column), dtype=object)
        values[:] = _values(name, column)
        return values
    return column.to_numpy()  # type: ignore[no-any-return]


def _values(name: str, column: Any) -> list[Any]:
    if name in TIMES:
        import pyarrow as pa

        return column.cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]
    if name == "basis":  # msgspec leaves a default out by identity
        return list(map(intern, column.to_pylist()))
    if name not in SIZES:
        return column.to_pylist()  # type: ignore[no-any-return]
    if not column.null_count:
        values = column.to_numpy()
        if np.all(values == np.floor(values)) and np.all(values < 2**63):
            return values.astype(np.int64).tolist()  # type: ignore[no-any-return]
    return [own if own is None or own % 1 else int(own) for own in column.to_pylist()]


def to_arrays(kind: type, body: bytes, symbols: Codes, epoch: int) -> Arrays:
    """Read an Arrow stream that `ArrowBody` made, as the columns of a ring."""
    import pyarrow as pa

    table = pa.ipc.open_stream(body).read_all()
    names = (name for name in COLUMNS[kind] if name != "epoch")
    arrays = {name: _array_of(table[name], name, symbols) for name in names}
    return arrays | {"epoch": np.full(len(table), epoch)}


def _array_of(column: Any, name: str, symbols: Codes) -> NDArray[Any]:
    if name in TIMES:
        import pyarrow as pa

        return column.cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
    if name != "symbol":
        return column.to_numpy()  # type: ignore[no-any-return]
    return np.array([symbols[own] for own in column.to_pylist()], np.int32)


class ArrowBody:
    """An Arrow IPC stream."""

    def __init__(self, kind: type) -> None:
        pa = arrow("format=arrow")
        self._kind = kind
        self._pipe = Pipe()
        self._writer = pa.ipc.new_stream(self._pipe, schema_of(kind))

    def write(self, ticks: Sequence[Tick]) -> bytes:
        """Give the bytes of the next ticks."""
        self._writer.write_batch(to_batch(self._kind, ticks))
        return self._pipe.take()

    def close(self) -> bytes:
        """Give the last bytes."""
        self._writer.close()
        return self._pipe.take()


class ParquetBody:
    """A Parquet file; ticks are held until there are enough for a row group."""

    def __init__(self, kind: type) -> None:
        pa = arrow("format=parquet")
        self._kind = kind
        self._pipe = Pipe()
        self._writer = pa.parquet.ParquetWriter(self._pipe, schema_of(kind), compression="zstd")
        self._batches: list[Any] = []

    def write(self, ticks: Sequence[Tick]) -> bytes:
        """Give the bytes of the next ticks, or of those before them."""
        self._batches.append(to_batch(self._kind, ticks))
        if sum(own.num_rows for own in self._batches) >= GROUP_TICKS:
            self._write_group()
        return self._pipe.take()

    def close(self) -> bytes:
        """Give the last bytes."""
        if self._batches:
            self._write_group()
        self._writer.close()
        return self._pipe.take()

    def _write_group(self) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_batches(self._batches))
        self._batches = []


class Pipe(io.RawIOBase):
    """A file that only grows, and of which what was written is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken
