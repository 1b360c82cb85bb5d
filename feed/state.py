"""What survives a restart: the numbering, the last values and the journal, in a folder of its own.

The folder holds `state.json` and segments of stamped ticks, one JSON line each, exactly as on the
wire. A segment also holds a checkpoint, the newest tick of every stream, so that older segments can
be deleted. Ticks are appended every flush interval, off the event loop.

A feed that was stopped in good order goes on under the same epoch. After a crash up to one flush
interval of ticks is missing here that subscribers may have seen, so a new epoch begins, as it does
when the folder is not what it was at the stop: a seq is never used twice in one numbering.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from feed.errors import FeedError, StateError
from feed.folder import lock, reason_of
from feed.hub.hub import Hub
from feed.hub.tickerplant import Tickerplant, new_epoch
from feed.protocol.codec import decode, encode_ticks
from feed.ticks import Tick

log = logging.getLogger(__name__)

SEGMENT_BYTES: Final = 16_777_216
BURST_TICKS: Final = 1_000
"""Encoded at a time by the writing thread, so that it never holds the interpreter for long."""

BUFFER_TICKS: Final = 1_000_000
"""The most that waits for a slow disk; beyond it ticks are left out and a new segment begins."""

TAKEN: Final = "is used by another feed, give each its own"

TELL_S: Final = 60.0
"""How often it is told that state is not kept."""


class Meta(msgspec.Struct):
    """The contents of `state.json`.

    Attributes:
        clean: true only between a stop in good order and the next start.
        segment: then the number of the newest segment.
        size: and how many bytes it had.
    """

    epoch: str
    clean: bool
    segment: int = 0
    size: int = 0


class State:
    """Writes the log of one feed, and restores the next one from it.

    Args:
        folder: made if it is not there; one feed at a time may use it.
        limit_bytes: how much the segments may take together, about.

    Raises:
        StateError: the folder cannot be used.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = max(limit_bytes, 2 * SEGMENT_BYTES)
        self._lock = lock(folder, "lock", StateError, TAKEN)
        self._meta = _read_meta(folder / "state.json")
        self._buffer: list[Tick] = []
        self._segment: int | None = None
        self._size = 0
        self._broken = False
        self._damaged = False
        self._fresh = False
        self._told_s = -TELL_S
        self._writing: asyncio.Task[None] | None = None

    def restore(self, hub: Hub, tickerplant: Tickerplant) -> None:
        """Bring a hub and a tickerplant, both new, to where the last feed was.

        Raises:
            StateError: the folder cannot be read, or not written.
        """
        try:
            self._restore(hub, tickerplant)
        except OSError as error:
            raise _unusable(self._folder, error) from None

    def _restore(self, hub: Hub, tickerplant: Tickerplant) -> None:
        count = 0
        for path in self._segments():
            for ticks in self._read(path):
                count += len(ticks)
                hub.restore(ticks)
        clean = self._meta is not None and self._is_whole(self._meta)
        epoch = self._meta.epoch if self._meta and clean else new_epoch()
        tickerplant.epoch = epoch
        self._meta = Meta(epoch, clean=False)
        self._write_meta()
        if count:
            how = "goes on" if clean else "begins, as the last run's end is missing"
            log.info("restored %d ticks from %s, epoch %s %s", count, self._folder, epoch, how)

    def append(self, ticks: list[Tick]) -> None:
        """Take stamped ticks, to be written at the next flush."""
        if len(self._buffer) < BUFFER_TICKS:
            self._buffer += ticks
        else:
            self._break("the disk is slower than the feed")

    def restart(self, epoch: str) -> None:
        """Keep nothing of the numbering so far, as a new one begins."""
        self._buffer = []
        self._meta = Meta(epoch, clean=False)
        self._fresh = True

    async def flush(self, hub: Hub) -> None:
        """Write what was taken since the last flush, on another thread."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])  # of a flush that was cancelled
        ticks, self._buffer = self._buffer, []
        begin: list[Tick] | None = None
        fresh, self._fresh = self._fresh, False
        if self._segment is None or self._size > SEGMENT_BYTES or self._broken or fresh:
            begin = [own.last for own in hub.index.streams() if own.last is not None]
            self._broken = False  # the checkpoint makes up for what was left out
        if ticks or begin is not None:
            self._writing = asyncio.create_task(asyncio.to_thread(self._write, ticks, begin, fresh))
            await asyncio.wait([self._writing])
            self._writing.result()

    async def close(self, hub: Hub) -> None:
        """Write the rest and note that the stop was in good order."""
        await self.flush(hub)
        if not self._broken and self._meta is not None:
            assert self._segment is not None
            self._meta = Meta(self._meta.epoch, True, self._segment, self._size)
            try:
                _sync(self._path(self._segment))
                self._write_meta()
            except OSError as error:
                self._break(reason_of(error))
        os.close(self._lock)

    def _break(self, reason: str) -> None:
        """Take note that ticks are missing from the segment, and tell it once in a while."""
        self._broken = True
        if time.monotonic() - self._told_s >= TELL_S:
            self._told_s = time.monotonic()
            log.error("state is not kept for now, in %s: %s", self._folder, reason)

    def _write(self, ticks: list[Tick], begin: list[Tick] | None, fresh: bool) -> None:
        try:
            self._write_now(ticks, begin, fresh)
        except OSError as error:
            self._break(reason_of(error))
        except Exception as error:  # whatever is wrong with these ticks, the next ones are kept
            self._break(f"{error.__class__.__name__}: {error}")

    def _write_now(self, ticks: list[Tick], begin: list[Tick] | None, fresh: bool) -> None:
        if begin is not None:
            self._segment = _number(self._segments()[-1]) + 1 if self._segments() else 1
            self._size = 0
            self._delete_old(0 if fresh else self._limit_bytes - SEGMENT_BYTES)
        assert self._segment is not None
        path, size = self._path(self._segment), self._size
        try:
            with path.open("ab") as file:
                for burst in _bursts([*ticks, *(begin or ())]):
                    self._size += file.write(b"\n".join(encode_ticks(burst)) + b"\n")
        except Exception:
            _take_back(path, size)
            raise

    def _delete_old(self, limit_bytes: int) -> None:
        kept = 0
        for path in reversed(self._segments()):
            kept += path.stat().st_size
            if kept > limit_bytes:
                path.unlink()

    def _path(self, segment: int) -> Path:
        return self._folder / f"ticks-{segment:08d}.ndjson"

    def _is_whole(self, meta: Meta) -> bool:
        """Tell whether the last tick of every stream is here, so that the numbering may go on.

        As each segment has a checkpoint, only the newest one matters.
        """
        newest = self._path(meta.segment)
        there = self._segments()[-1:] == [newest] and newest.stat().st_size == meta.size
        return meta.clean and there and not self._damaged

    def _read(self, path: Path) -> Iterator[list[Tick]]:
        """Give the ticks of a segment in bursts; a torn end is left out with a message."""
        self._damaged = False
        with path.open("rb") as file:
            while lines := list(islice(file, BURST_TICKS)):
                whole = [line for line in lines if line.endswith(b"\n")]
                try:
                    ticks = decode(b"[" + b",".join(whole) + b"]")
                except FeedError:
                    self._damaged = True
                    log.warning("%s: left out what follows a damaged line", path)
                    return
                if len(whole) < len(lines):
                    self._damaged = True
                    log.warning("%s: left out a torn line at its end", path)
                yield ticks if isinstance(ticks, list) else []

    def _segments(self) -> list[Path]:
        return sorted(self._folder.glob("ticks-*.ndjson"))

    def _write_meta(self) -> None:
        path = self._folder / "state.json"
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(self._meta))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def _unusable(folder: Path, error: OSError) -> StateError:
    return StateError(folder, f"cannot be used: {reason_of(error)}")


def _take_back(path: Path, size: int) -> None:
    """Cut a file to what it was, or a full disk would fill with torn and empty segments."""
    with suppress(OSError):
        if size:
            os.truncate(path, size)
        else:
            path.unlink()


def _read_meta(path: Path) -> Meta | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Meta)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        log.warning("%s cannot be read: a new epoch begins", path)
        return None


def _sync(path: Path) -> None:
    """Have a file on the disk itself, before `state.json` vouches for it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _bursts(ticks: list[Tick]) -> Iterable[list[Tick]]:
    return (ticks[at : at + BURST_TICKS] for at in range(0, len(ticks), BURST_TICKS))


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("ticks-"))
