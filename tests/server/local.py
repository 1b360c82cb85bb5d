"""A listening server inside the test's own event loop, and the bytes of a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from feed.server.app import bind, listen
from feed.server.gate import Gate
from feed.sources.base import Source
from tests.fakes import World

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of RFC 6455 section 1.3."""

LIMIT_S = 5.0


def handshake(path: str = "/v1/stream") -> bytes:
    return request(
        path,
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
    )


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Peer:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(end), LIMIT_S)

    async def rest(self) -> bytes:
        """Read until the server closes."""
        return await asyncio.wait_for(self.reader.read(-1), LIMIT_S)

    async def head(self) -> str:
        return (await self.until(b"\r\n\r\n")).decode()

    async def close(self) -> None:
        self.writer.close()
        await asyncio.wait([asyncio.ensure_future(self.writer.wait_closed())], timeout=LIMIT_S)


@asynccontextmanager
async def serving(world: World, *sources: Source, gate: Gate | None = None) -> AsyncIterator[int]:
    """Serve a world's registry on a free port; gives the port."""
    sockets = bind("127.0.0.1", 0, 65_536)
    server = listen(world.registry, sockets, lambda: sources, gate=gate)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        world.registry.close_all()
        await server.close_all_connections()


@asynccontextmanager
async def peer(port: int, first: bytes) -> AsyncIterator[Peer]:
    """Connect and send something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(first)
    found = Peer(reader, writer)
    try:
        yield found
    finally:
        await found.close()


async def answer(port: int, first: bytes) -> tuple[str, bytes]:
    """Give head and body of the answer to one HTTP request."""
    async with peer(port, first) as own:
        head = await own.head()
        for line in head.split("\r\n"):
            if line.lower().startswith("content-length:"):
                size = int(line.split(":")[1])
                return head, await asyncio.wait_for(own.reader.readexactly(size), LIMIT_S)
        return head, b""


async def eventually(condition: Callable[[], bool]) -> None:
    """Let the loop go round until a condition holds."""
    for _ in range(int(LIMIT_S * 1000)):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"not within {LIMIT_S:g} s")
