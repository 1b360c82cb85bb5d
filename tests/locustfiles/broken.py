"""A proxy before a good feed that makes it wrong; its client's bytes pass as they are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby

from feed.client.frames import Frame, FrameReader
from feed.protocol.frames import Opcode, close_frame, control_frame, text_frame
from tests.locustfiles.wrongs import HangUp, Way, is_tick

Delay = Callable[[float], float]
"""Takes the age of a connection, and gives how long it keeps what comes, both in seconds."""


LONG_S = 5.0


def at_once(age_s: float) -> float:
    return 0.0


class Relay:
    """One connection through the proxy."""

    def __init__(self, way: Way, delay: Delay) -> None:
        self._way = way
        self._delay = delay

    async def up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)

    async def down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        frames = FrameReader(limit_bytes=1 << 24)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while data := await reader.read(65_536):
            found: list[Frame] = []
            frames.room()[: len(data)] = data
            frames.take(len(data), found)
            try:
                altered = b"".join(part for frame in found for part in self._alter(*frame))
            except HangUp as end:
                if end.code:
                    writer.write(close_frame(end.code, "oops"))
                return
            if delay_s := self._delay(loop.time() - began_s):
                loop.call_later(delay_s, writer.write, altered)
            else:
                writer.write(altered)

    def _alter(self, opcode: int, body: str | bytes) -> Iterator[bytes]:
        if isinstance(body, bytes):
            yield control_frame(Opcode(opcode), body)
            return
        batched = body.startswith("[")
        sent = [part for message in _apart(body.encode()) for part in self._way(message)]
        for ticks, run in groupby(sent, is_tick):
            texts = [*run]
            yield from map(text_frame, [_together(texts)] if batched and ticks else texts)


def _apart(text: bytes) -> list[bytes]:
    """Give the ticks of a batch, which hold no objects; any other message is alone."""
    if not text.startswith(b"["):
        return [text]
    return [b"{%b}" % part for part in text[2:-2].split(b"},{")]


def _together(ticks: list[bytes]) -> bytes:
    return b"[%b]" % b",".join(ticks)


@contextmanager
def broken(port: int, way: Callable[[], Way], delay: Delay = at_once) -> Iterator[str]:
    """Stand before the feed on this port; gives the address to connect to.

    Args:
        way: makes what alters the messages of one connection.
    """
    loop = asyncio.new_event_loop()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        own = Relay(way(), delay)
        pumps = [
            asyncio.ensure_future(own.up(reader, far_writer)),
            asyncio.ensure_future(own.down(far_reader, writer)),
        ]
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(delay(LONG_S))
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
