"""Many clients in the test's own loop that talk all the time and keep every byte they are sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson

from feed.client.frames import client_frame
from feed.protocol.frames import Opcode
from tests.fakes import frames
from tests.server.local import handshake

TALK = client_frame(Opcode.PONG) * 100 + client_frame(Opcode.TEXT, b'{"type":"ping"}')
"""Much to read for little to answer: so that the server is always behind with reading."""

HEAD_END = b"\r\n\r\n"


class Talker:
    """One client, without a library's good manners.

    Attributes:
        ended: how the stream ended: `eof`, or the name of the error.
    """

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.ended = ""
        self._data = bytearray()

    async def talk(self, port: int, pause_s: float, heard: Callable[[Talker], None]) -> None:
        """Subscribe, and go on sending commands until there is no more to read.

        It reads less often than it sends, so that there is always something in flight.
        """
        loop = asyncio.get_running_loop()
        command = {"type": "subscribe", "symbols": [self.symbol], "delivery": "all"}
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", port))
            await loop.sock_sendall(sock, handshake())
            await loop.sock_sendall(sock, client_frame(Opcode.TEXT, orjson.dumps(command)))
            talking = asyncio.create_task(self._chatter(sock, pause_s))
            try:
                while data := await loop.sock_recv(sock, 65_536):
                    self._data += data
                    heard(self)
                    await asyncio.sleep(pause_s * 2)
                self.ended = self.ended or "eof"
            except OSError as error:
                self.ended = type(error).__name__
            talking.cancel()
            await asyncio.wait([talking])

    async def _chatter(self, sock: socket.socket, pause_s: float) -> None:
        try:
            while True:
                await asyncio.get_running_loop().sock_sendall(sock, TALK)
                await asyncio.sleep(pause_s)
        except OSError as error:  # a reset is told to the first who asks, reader or writer
            self.ended = type(error).__name__

    def _frames(self) -> list[tuple[int, bytes]]:
        return frames(bytes(self._data.partition(HEAD_END)[2]))

    def messages(self) -> list[dict[str, Any]]:
        """Give every message; the stream must end with a close frame, and with a whole one."""
        found = self._frames()
        assert [opcode for opcode, _ in found].count(Opcode.CLOSE) == 1
        assert found[-1][0] == Opcode.CLOSE
        return [orjson.loads(payload) for opcode, payload in found if opcode == Opcode.TEXT]

    @property
    def close_code(self) -> int:
        return int.from_bytes(self._frames()[-1][1][:2], "big")


async def gather(port: int, talkers: list[Talker], pause_s: float) -> asyncio.Future[Any]:
    """Let them talk; gives what is done when all have ended, once all have been answered."""
    silent = set(talkers)
    everybody = asyncio.Event()

    def heard(own: Talker) -> None:
        silent.discard(own)
        if not silent:
            everybody.set()

    running = asyncio.gather(*(own.talk(port, pause_s, heard) for own in talkers))
    await everybody.wait()
    return running


@asynccontextmanager
async def encrypting(port: int, trusting: ssl.SSLContext) -> AsyncIterator[int]:
    """Speak TLS to a port for who cannot; gives the port where that is done."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):  # also when nobody wants it any more
            with suppress(OSError):
                writer.write(data)
                await writer.drain()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:  # a reset is passed on, too
            writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        try:
            await asyncio.gather(send(reader, onward[1]), answer(onward[0], writer))
        finally:
            writer.close()
            onward[1].close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
