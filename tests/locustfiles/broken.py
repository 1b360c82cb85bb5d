"""A feed that does one thing wrong on purpose: a proxy that alters what a good one sends.

It takes single ticks, not batches, and its client's bytes pass as they are.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from feed.client.frames import Frame, FrameReader
from feed.protocol.frames import Opcode, close_frame, control_frame, text_frame

TICKS = (b'{"type":"quote"', b'{"type":"trade"')
EVERY = 100
"""Which tick of a connection is altered."""

Way = Callable[[int, bytes], list[bytes]]
"""Takes the number of a message and its text, and gives the frames that are sent instead."""


def honest(number: int, text: bytes) -> list[bytes]:
    return [text_frame(text)]


def dropping(number: int, text: bytes) -> list[bytes]:
    return [] if number % EVERY == 0 else [text_frame(text)]


def decimating(number: int, text: bytes) -> list[bytes]:
    return [] if number % 10 == 0 else [text_frame(text)]


def repeating(number: int, text: bytes) -> list[bytes]:
    return [text_frame(text)] * (2 if number % EVERY == 0 else 1)


def misdirecting(number: int, text: bytes) -> list[bytes]:
    stray = [text_frame(text.replace(b'"symbol":"S', b'"symbol":"X', 1))]
    return [text_frame(text), *(stray if number % EVERY == 0 else [])]


def closing(number: int, text: bytes) -> list[bytes]:
    return [close_frame(1011, "oops")] if number % EVERY == 0 else [text_frame(text)]


def rambling(number: int, text: bytes) -> list[bytes]:
    return [text_frame(b"[1]")] if number % EVERY == 0 else [text_frame(text)]


class Reordering:
    """Holds one tick back until the next of its stream has gone out."""

    def __init__(self) -> None:
        self.held: tuple[bytes, bytes] | None = None

    def __call__(self, number: int, text: bytes) -> list[bytes]:
        stream = text.partition(b',"seq"')[0]
        if self.held is None:
            if number % EVERY:
                return [text_frame(text)]
            self.held = stream, text
            return []
        if self.held[0] != stream:
            return [text_frame(text)]
        (_, earlier), self.held = self.held, None
        return [text_frame(text), text_frame(earlier)]


class Relay:
    """One connection through the proxy."""

    def __init__(self, way: Way, *, delay_s: float, heartless: bool) -> None:
        self._way = way
        self._delay_s = delay_s
        self._heartless = heartless
        self._number = 0

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        frames = FrameReader(limit_bytes=1 << 24)
        while data := await reader.read(65_536):
            found: list[Frame] = []
            frames.room()[: len(data)] = data
            frames.take(len(data), found)
            altered = b"".join(part for frame in found for part in self._alter(*frame))
            if self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, writer.write, altered)
            else:
                writer.write(altered)

    def _alter(self, opcode: int, body: str | bytes) -> list[bytes]:
        if isinstance(body, bytes):
            return [control_frame(Opcode(opcode), body)]
        text = body.encode()
        if text.startswith(TICKS):
            self._number += 1
            return self._way(self._number, text)
        return (
            [] if self._heartless and text.startswith(b'{"type":"heartbeat"') else honest(0, text)
        )


@contextmanager
def broken(
    port: int, way: Callable[[], Way], delay_s: float = 0.0, heartless: bool = False
) -> Iterator[str]:
    """Stand before the feed on this port; gives the address to connect to.

    Args:
        way: makes what alters the ticks of one connection.
        delay_s: how long everything takes on its way to the client.
        heartless: whether heartbeats are swallowed.
    """
    loop = asyncio.new_event_loop()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        own = Relay(way(), delay_s=delay_s, heartless=heartless)
        pumps = [
            asyncio.ensure_future(own.up(reader, far_writer)),
            asyncio.ensure_future(own.down(far_reader, writer)),
        ]
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(delay_s)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        writer.close()
        far_writer.close()

    server = loop.run_until_complete(asyncio.start_server(relay, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    own = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not own]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
