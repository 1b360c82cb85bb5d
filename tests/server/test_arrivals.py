from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import Any

import pytest

from feed.server import arrivals
from feed.server.arrivals import Arrivals
from feed.server.entrance import Entrance
from feed.server.gate import Gate
from feed.server.turn import Turn
from feed.sessions.addresses import Addresses
from feed.sessions.auth import Authority
from feed.sessions.limits import Limits
from tests.fakes import World
from tests.server.local import eventually, handshake, request


class Hall:
    """Arrivals, and the connections that were left to Tornado."""

    def __init__(self, world: World) -> None:
        loop = asyncio.get_running_loop()
        self.world = world
        self.left: list[socket.socket] = []
        self.sockets = ExitStack()
        entrance = Entrance(world.registry, Turn(loop), Gate())
        self.arrivals = Arrivals(entrance, Turn(loop), self._take_over)
        self._door = self.sockets.enter_context(socket.create_server(("127.0.0.1", 0)))

    def arrive(self, first: bytes = b"") -> socket.socket:
        """Come and say something; gives the peer's end."""
        peer = self.sockets.enter_context(socket.create_connection(self._door.getsockname()))
        peer.sendall(first)
        self.arrivals.take(*self._door.accept())
        return peer

    async def until_left(self, count: int = 1) -> None:
        await eventually(lambda: len(self.left) == count)

    async def until_open(self, count: int = 1) -> None:
        await eventually(lambda: len(self.world.registry) == count)

    def _take_over(self, sock: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1"
        self.left.append(self.sockets.enter_context(sock))


def run(visit: Callable[[Hall], Coroutine[Any, Any, None]], world: World | None = None) -> None:
    async def main() -> None:
        hall = Hall(world or World())
        with hall.sockets:
            await visit(hall)
            for session in list(hall.world.registry):
                session.delivery.abort()

    asyncio.run(main())


def test_a_plain_handshake_opens_a_session_without_tornado() -> None:
    async def visit(hall: Hall) -> None:
        peer = hall.arrive(handshake())
        await hall.until_open()
        told = peer.recv(4096)
        assert told.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert not hall.left

    run(visit)


def test_a_request_may_come_after_the_connection() -> None:
    async def visit(hall: Hall) -> None:
        peer = hall.arrive()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        peer.sendall(handshake())
        await hall.until_open()
        assert not hall.left

    run(visit)


@pytest.mark.parametrize(
    "first",
    [
        handshake()[:20],
        request("/healthz"),
        handshake().replace(b"Host: localhost", b"Host: evil.example"),
        handshake().replace(b"Host: localhost", b"Host: a b"),
        handshake().replace(b"13\r\n", b"8\r\n"),
        b"\x16\x03\x01",
    ],
)
def test_what_is_no_plain_handshake_is_left_to_tornado_unread(first: bytes) -> None:
    async def visit(hall: Hall) -> None:
        hall.arrive(first)
        await hall.until_left()
        assert hall.left[0].recv(4096) == first
        assert not hall.world.hub.metrics.sessions_opened

    run(visit)


def test_who_is_refused_is_left_to_tornado_and_not_counted_here() -> None:
    limits = Limits(unauthenticated_sessions=1)
    addresses = Addresses(handshakes_per_s=1)
    world = World(limits=limits, addresses=addresses, authority=Authority("required"))

    async def visit(hall: Hall) -> None:
        hall.arrive(handshake())
        await hall.until_open()
        for count in range(1, 9):
            hall.arrive(handshake())
            await hall.until_left(count)
        world.registry.limits = Limits()
        for count in range(2, 5):
            hall.arrive(handshake())
            await hall.until_open(count)
        assert not world.hub.metrics.refusals

    run(visit, world)


def test_who_says_nothing_for_a_while_is_left_to_tornado(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "GRACE_S", 0.001)

    async def visit(hall: Hall) -> None:
        peer = hall.arrive()
        await hall.until_left()
        peer.sendall(handshake())
        await asyncio.sleep(0.001)
        assert hall.left[0].recv(4096) == handshake()

    run(visit)


def test_a_stop_leaves_everybody_to_tornado_once() -> None:
    async def visit(hall: Hall) -> None:
        hall.arrive()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hall.arrive(handshake())
        hall.arrivals.stop()
        assert len(hall.left) == 2
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(hall.left) == 2

    run(visit)


def test_a_peer_that_has_left_again_is_nobody() -> None:
    async def visit(hall: Hall) -> None:
        hall.arrive().close()  # Tornado reads that it has gone
        peer = hall.arrive(handshake())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + bytes(4))
        peer.close()
        hall.arrive(handshake())
        await hall.until_open()
        await hall.until_left()
        assert hall.world.hub.metrics.sessions_opened == 1

    run(visit)
