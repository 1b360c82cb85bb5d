"""Find tapes on disk, open their bytes, and blame the file when it cannot be read."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from feed.errors import FeedError, MissingExtraError, TapeError

PARQUET = (".parquet", ".pq")
CSV = (".csv", ".csv.gz", ".csv.zst")

T = TypeVar("T")


def is_parquet(path: Path) -> bool:
    """Tell a Parquet tape from a CSV one by its name."""
    return path.name.lower().endswith(PARQUET)


def find_tapes(paths: Sequence[Path]) -> list[Path]:
    """List the tapes that the paths name, folders searched to the bottom and sorted by path.

    Raises:
        TapeError: when a path does not exist, is no tape, or is a folder without one.
    """
    return [tape for path in paths for tape in _tapes_at(path)]


def _tapes_at(path: Path) -> list[Path]:
    with reading(path):
        if path.is_dir():
            return _tapes_under(path)
        if not path.exists():
            raise TapeError(path, "no such file or folder")
    if not _is_tape(path):
        raise TapeError(path, f"is not a tape: its name must end in {_endings()}")
    return [path]


def _tapes_under(folder: Path) -> list[Path]:
    found = sorted(
        path
        for path in folder.rglob("*")
        if _is_tape(path) and path.is_file() and not _hidden(path.relative_to(folder))
    )
    if not found:
        raise TapeError(folder, f"holds no tapes: no file whose name ends in {_endings()}")
    return found


def _is_tape(path: Path) -> bool:
    return path.name.lower().endswith(CSV + PARQUET)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts) or path.name.startswith("README")


def _endings() -> str:
    return ", ".join((*CSV, *PARQUET))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a reading library says inside the block into a TapeError naming the file."""
    try:
        yield
    except FeedError:
        raise
    except OSError as error:
        raise TapeError(path, f"cannot be read: {_first_line(error.strerror or error)}") from error
    except Exception as error:  # gzip, zstd, pandas and Arrow each have their own
        raise TapeError(path, f"cannot be read: {_first_line(error)}") from error


def guarded(path: Path, items: Iterator[T]) -> Iterator[T]:
    """Pass the items on; an error in producing one is a TapeError naming the file."""
    while True:
        with reading(path):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def _first_line(what: object) -> str:
    text = str(what).strip() or type(what).__name__
    line = text.splitlines()[0][:200].rstrip(".")
    return line[:1].lower() + line[1:]


def open_bytes(path: Path) -> BinaryIO:
    """Open a tape for reading, decompressed; a compressed file that ends early is an EOFError."""
    name = path.name.lower()
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.open(path, "rb"))
    if name.endswith(".zst"):
        return cast(BinaryIO, io.BufferedReader(_ZstdBytes(path), 1 << 20))
    return path.open("rb")


class _ZstdBytes(io.RawIOBase):
    """A .zst file's content. zstandard's own reader takes a truncated file for a whole one."""

    def __init__(self, path: Path) -> None:
        try:
            import zstandard
        except ImportError:
            raise MissingExtraError("tapes", f"reading {path.name}") from None
        self._start_frame = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._unread = b""
        self._content = b""
        self._file = path.open("rb")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._content:
            packed = self._unread or self._file.read(1 << 16)
            if not packed:
                return self._end()
            self._unpack(packed)
        size = min(len(buffer), len(self._content))
        buffer[:size] = self._content[:size]
        self._content = self._content[size:]
        return size

    def _unpack(self, packed: bytes) -> None:
        if self._frame is None:
            self._frame = self._start_frame()
        self._content = self._frame.decompress(packed)
        self._unread = b""
        if self._frame.eof:
            self._unread = self._frame.unused_data
            self._frame = None

    def _end(self) -> int:
        if self._frame is not None:
            raise EOFError("compressed file ended in the middle of a frame")
        return 0
