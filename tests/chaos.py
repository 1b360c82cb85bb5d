"""A proxy that does to a connection what networks do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SPLIT_BYTES = 40
"""How many bytes of each read go one by one: more than any frame's head and first field."""


class Chaos:
    """Relays between clients and a server on this machine.

    Attributes:
        delay_s: how long each read waits before it goes on.
        split: whether the first bytes of each read are written one by one.
        flowing: cleared, nothing goes through, and both sides fill up.
        port: where clients connect.
    """

    def __init__(self, target_port: int) -> None:
        self.delay_s = 0.0
        self.split = False
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.port = 0
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> int:
        """Reset every connection now; gives how many there were."""
        for writer in self._writers:
            writer.transport.abort()
        return len(self._writers) // 2

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:  # nobody listens there now
            return writer.transport.abort()
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= both
            for own in both:
                own.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay_s)
                await self.flowing.wait()
                cuts = range(min(len(data), SPLIT_BYTES)) if self.split else range(0)
                for piece in (*(data[at : at + 1] for at in cuts), data[len(cuts) :]):
                    writer.write(piece)
                    await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def chaos(target_port: int) -> AsyncIterator[Chaos]:
    """Stand between clients and the server on a port of this machine."""
    proxy = Chaos(target_port)
    server = await asyncio.start_server(proxy.relay, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        await asyncio.sleep(0)
