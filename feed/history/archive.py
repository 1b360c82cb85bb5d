"""The part of the log that is in the recorder's folder, read on other threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from feed.tape.recording import segments_under
from feed.ticks import Tick

READERS: Final = 4
"""How many may read at a time: the others wait, so that the disk and the threads are left to us."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A recording that may still grow.

    Attributes:
        folder: where it is.
        flush: writes what is not there yet.
    """

    folder: Path
    flush: Callable[[], Awaitable[None]]
    _readers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READERS))

    async def epochs(self, channel: str) -> list[str]:
        """Give the epochs of which there are ticks, the oldest first."""
        segments = await asyncio.to_thread(segments_under, self.folder, channel)
        return list(dict.fromkeys(segment.epoch for segment in segments))

    async def ticks(
        self, channel: str, symbol: str, *, epoch: str, first_seq: int, from_ns: int | None
    ) -> AsyncGenerator[list[Tick], None]:
        """Give the ticks of one stream and one epoch from a seq on, in order, none twice.

        Args:
            from_ns: ticks with an earlier `ts_event` may be left out.

        Raises:
            TapeError: a file cannot be read.
        """
        source = self._read(channel, symbol, epoch, first_seq, from_ns)
        try:
            while (ticks := await self._next(source)) is not None:
                yield ticks
        finally:
            await asyncio.to_thread(source.close)

    async def _next(self, source: Generator[list[Tick], None, None]) -> list[Tick] | None:
        async with self._readers:
            return await asyncio.to_thread(next, source, None)

    def _read(
        self, channel: str, symbol: str, epoch: str, seq: int, from_ns: int | None
    ) -> Generator[list[Tick], None, None]:
        for segment in segments_under(self.folder, channel):
            if segment.epoch == epoch:
                for ticks in segment.read(symbol, seq, from_ns):
                    yield ticks
                    seq = ticks[-1].seq + 1
