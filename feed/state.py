"""What survives a restart: the numbering, the last values and the journal, in a folder of its own.

The folder holds `state.json` and segments of stamped ticks, one JSON line each, exactly as on the
wire. A segment also holds a checkpoint, the newest tick of every stream, so that older segments can
be deleted. Ticks are appended every flush interval, off the event loop.

A feed that was stopped in good order goes on under the same epoch. After a crash up to one flush
interval of ticks is missing here that subscribers may have seen, so a new epoch begins: a seq is
never used twice in one numbering.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from feed.errors import FeedError, StateError
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


class Meta(msgspec.Struct):
    """The contents of `state.json`; `clean` is true only between a stop and the next start."""

    epoch: str
    clean: bool


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
        self._lock = _lock(folder)
        self._meta = _read_meta(folder / "state.json")
        self._buffer: list[Tick] = []
        self._segment: int | None = None
        self._size = 0
        self._broken = False
        self._writing = threading.Lock()

    def restore(self, hub: Hub, tickerplant: Tickerplant) -> None:
        """Bring a hub and a tickerplant, both new, to where the last feed was."""
        count = 0
        for path in self._segments():
            for ticks in _read(path):
                count += len(ticks)
                hub.restore(ticks)
        clean = self._meta is not None and self._meta.clean
        epoch = self._meta.epoch if self._meta and clean else new_epoch()
        tickerplant.go_on(epoch, hub.index.streams())
        self._meta = Meta(epoch, clean=False)
        self._write_meta()
        if count:
            how = "goes on" if clean else "begins after a crash"
            log.info("restored %d ticks from %s, epoch %s %s", count, self._folder, epoch, how)

    def append(self, ticks: list[Tick]) -> None:
        """Take stamped ticks, to be written at the next flush."""
        if len(self._buffer) < BUFFER_TICKS:
            self._buffer += ticks
        else:
            self._break("the disk is slower than the feed")

    async def flush(self, hub: Hub) -> None:
        """Write what was taken since the last flush, on another thread."""
        ticks, self._buffer = self._buffer, []
        begin: list[Tick] | None = None
        if self._segment is None or self._size > SEGMENT_BYTES or self._broken:
            begin = [own.last for own in hub.index.streams() if own.last is not None]
        if not ticks and begin is None:
            return
        try:
            await asyncio.to_thread(self._write, ticks, begin)
            self._broken = False
        except OSError as error:
            self._break(error.strerror or str(error))

    async def close(self, hub: Hub) -> None:
        """Write the rest and note that the stop was in good order."""
        await self.flush(hub)
        if not self._broken and self._meta is not None:
            self._meta = Meta(self._meta.epoch, clean=True)
            self._write_meta()
        os.close(self._lock)

    def _break(self, reason: str) -> None:
        if not self._broken:
            log.error("state is not kept for now, in %s: %s", self._folder, reason)
        self._broken = True

    def _write(self, ticks: list[Tick], begin: list[Tick] | None) -> None:
        with self._writing:
            self._write_now(ticks, begin)

    def _write_now(self, ticks: list[Tick], begin: list[Tick] | None) -> None:
        if begin is not None:
            self._segment = _number(self._segments()[-1]) + 1 if self._segments() else 1
            self._size = 0
            self._delete_old()
        path = self._folder / f"ticks-{self._segment:08d}.ndjson"
        with path.open("ab") as file:
            for burst in _bursts([*ticks, *(begin or ())]):
                self._size += file.write(b"\n".join(encode_ticks(burst)) + b"\n")

    def _delete_old(self) -> None:
        kept = 0
        for path in reversed(self._segments()):
            kept += path.stat().st_size
            if kept > self._limit_bytes - SEGMENT_BYTES:
                path.unlink()

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


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StateError(
            folder, f"cannot be used: {(error.strerror or str(error)).lower()}"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StateError(folder, "is used by another feed, give each its own") from None
    return lock


def _read_meta(path: Path) -> Meta | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Meta)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        log.warning("%s cannot be read: a new epoch begins", path)
        return None


def _read(path: Path) -> Iterator[list[Tick]]:
    """Give the ticks of a segment in bursts; a torn end is left out with a message."""
    with path.open("rb") as file:
        while lines := list(islice(file, BURST_TICKS)):
            whole = [line for line in lines if line.endswith(b"\n")]
            try:
                ticks = decode(b"[" + b",".join(whole) + b"]")
            except FeedError:
                log.warning("%s: left out what follows a damaged line", path)
                return
            if len(whole) < len(lines):
                log.warning("%s: left out a torn line at its end", path)
            yield ticks if isinstance(ticks, list) else []


def _bursts(ticks: list[Tick]) -> Iterable[list[Tick]]:
    return (ticks[at : at + BURST_TICKS] for at in range(0, len(ticks), BURST_TICKS))


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("ticks-"))
