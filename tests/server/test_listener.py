from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from tornado.iostream import IOStream

from feed.server import descriptors, listener
from feed.server.app import bind
from feed.server.entrance import Entrance
from feed.server.gate import Gate
from feed.server.listener import BURST, Listener
from feed.server.turn import Turn
from tests.fakes import World
from tests.server.local import eventually, handshake


class FakeServer:
    """Takes streams, and counts the turns of the loop they came in."""

    def __init__(self) -> None:
        self.streams: list[IOStream] = []

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        assert address[0] == "127.0.0.1"
        self.streams.append(stream)

    async def close_all_connections(self) -> None:
        for stream in self.streams:
            stream.close()


class Door:
    """A listener and who knocks at it."""

    def __init__(self, descriptor_limit: int) -> None:
        self.server = FakeServer()
        sockets = bind("127.0.0.1", 0, 65_536)
        self.address = sockets[0].getsockname()
        self.listener = Listener(cast(Any, self.server), sockets, descriptor_limit)
        self.peers = ExitStack()

    def knock(self, count: int = 1) -> None:
        for _ in range(count):
            self.peers.enter_context(socket.create_connection(self.address))

    @property
    def admitted(self) -> int:
        return len(self.server.streams)


@asynccontextmanager
async def door(descriptor_limit: int = 1 << 20) -> AsyncIterator[Door]:
    found = Door(descriptor_limit)
    try:
        yield found
    finally:
        found.listener.stop()
        await found.listener.close_all_connections()
        found.peers.close()


def number_after(count: int) -> int:
    """Give the number that a descriptor gets after so many more; those in use leave holes."""
    taken = [os.dup(0) for _ in range(count + 1)]
    for descriptor in taken:
        os.close(descriptor)
    return taken[-1]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PAUSE_S", 0.001)


def test_a_crowd_is_admitted_in_bursts() -> None:
    async def main() -> None:
        async with door() as own:
            own.knock(BURST + 3)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert own.admitted == BURST
            await eventually(lambda: own.admitted == BURST + 3)

    asyncio.run(main())


def test_without_a_descriptor_to_spare_connections_wait_until_there_is_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with door() as own:
            own.knock(5)
            own.listener._most = number_after(2)
            await eventually(lambda: bool(caplog.records))
            assert own.admitted == 2
            own.server.streams[0].close()
            await eventually(lambda: own.admitted == 3)

    caplog.set_level(logging.WARNING)
    asyncio.run(main())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS])
def test_an_accept_that_fails_is_tried_again_later_and_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    asked = 0

    def fail(_descriptor: int) -> int:
        nonlocal asked
        asked += 1
        raise OSError(number, os.strerror(number))

    async def main() -> None:
        async with door() as own:
            with monkeypatch.context() as broken:
                broken.setattr(descriptors, "next_number", fail)
                own.knock()
                await eventually(lambda: asked >= 3)
            assert own.admitted == 0
            await eventually(lambda: own.admitted == 1)

    caplog.set_level(logging.WARNING)
    asyncio.run(main())
    [record] = caplog.records
    assert os.strerror(number).lower() in record.getMessage()


def test_a_pause_costs_no_turns_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PAUSE_S", 3600)

    async def main() -> None:
        async with door(descriptor_limit=1) as own:
            own.knock()
            await turns(20)
            with monkeypatch.context() as watched:
                watched.setattr(descriptors, "next_number", lambda _: pytest.fail("it goes on"))
                await turns(20)

    asyncio.run(main())


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_stop_admits_who_waits_and_then_nobody() -> None:
    async def main() -> None:
        async with door() as own:
            own.knock(BURST + 3)
            own.listener.stop()
            assert own.admitted == BURST + 3
            with pytest.raises(ConnectionRefusedError):
                own.knock()

    asyncio.run(main())


def test_with_an_entrance_plain_handshakes_are_no_business_of_the_server() -> None:
    async def main() -> None:
        world = World()
        server, sockets = FakeServer(), bind("127.0.0.1", 0, 65_536)
        entrance = Entrance(world.registry, Turn(asyncio.get_running_loop()), Gate())
        own = Listener(cast(Any, server), sockets, 1 << 20, entrance=entrance)
        with ExitStack() as peers:
            for first in (handshake(), b"GET /healthz HTTP/1.1\r\n", handshake()):
                peer = peers.enter_context(socket.create_connection(sockets[0].getsockname()))
                peer.sendall(first)
            await eventually(lambda: len(world.registry) == 2 and len(server.streams) == 1)
            peers.enter_context(socket.create_connection(sockets[0].getsockname()))
            own.stop()
            assert len(server.streams) == 2
            world.registry.close_all()
            await own.close_all_connections()

    asyncio.run(main())


def test_a_stop_ends_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with door(descriptor_limit=1) as own:
            own.knock()
            await turns(5)
            own.listener.stop()
            monkeypatch.setattr(Listener, "_resume", lambda _: pytest.fail("it goes on"))
            await asyncio.sleep(0.005)

    asyncio.run(main())
