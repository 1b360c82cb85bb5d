from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from feed.errors import ListenError
from feed.metrics import Metrics
from feed.server import lifecycle
from feed.server.lifecycle import Server
from tests.server.local import LIMIT_S, eventually, peer, request


class FakeRegistry:
    """Sessions that leave one by one."""

    def __init__(self, leave_per_step: int = 1, sessions: int = 0) -> None:
        self.hub = self
        self.metrics = Metrics(sessions_opened=sessions)
        self.beat_interval_s = 0.005
        self.clock = None
        self.lags_ms: list[float] = []
        self.sessions = sessions
        self.leave_per_step = leave_per_step
        self.closed_all = False
        self.failures: list[Exception] = []

    @property
    def connections(self) -> int:
        return self.sessions

    def __len__(self) -> int:
        return self.sessions

    def beat(self, lag_ms: float) -> None:
        self.lags_ms.append(lag_ms)
        if self.failures:
            raise self.failures.pop()

    def drain(self) -> int:
        self.sessions = max(0, self.sessions - self.leave_per_step)
        return self.sessions

    def close_all(self) -> None:
        self.closed_all = True
        self.sessions = 0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "DRAIN_STEP_S", 0.001)
    monkeypatch.setattr(lifecycle, "GOODBYE_S", 0.001)


@asynccontextmanager
async def listening(
    registry: Any, host: str = "127.0.0.1", drain_timeout_s: float = LIMIT_S
) -> AsyncIterator[tuple[Server, str]]:
    server = Server(registry, drain_timeout_s=drain_timeout_s)
    yield server, server.listen(host, 0, 65_536)
    server.hurry()
    await server.drain()


def test_the_address_names_the_port_that_was_picked() -> None:
    async def main() -> None:
        async with listening(FakeRegistry()) as (_, address):
            host, _, port = address.partition(":")
            assert host == "127.0.0.1"
            async with peer(int(port), request("/nosuch")) as own:
                assert (await own.head()).startswith("HTTP/1.1 404 ")

    asyncio.run(main())


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_is_written_in_brackets() -> None:
    async def main() -> None:
        try:
            async with listening(FakeRegistry(), "::1") as (_, address):
                assert address.startswith("[::1]:")
        except ListenError as error:
            pytest.skip(str(error))

    asyncio.run(main())


def test_heartbeats_are_called_for_with_the_lag_of_the_loop() -> None:
    async def main() -> None:
        registry = FakeRegistry()
        async with listening(registry):
            await eventually(lambda: len(registry.lags_ms) >= 5)
        assert all(0 <= lag_ms < 1000 for lag_ms in registry.lags_ms)

    asyncio.run(main())


def test_a_beat_that_fails_is_told_once_and_is_not_the_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        registry = FakeRegistry()
        registry.failures = [RuntimeError(f"session {number} is odd") for number in range(3)]
        async with listening(registry):
            await eventually(lambda: len(registry.lags_ms) >= 5)

    asyncio.run(main())
    assert caplog.messages == ["heartbeats failed, and go on: RuntimeError: session 2 is odd"]


def test_what_else_is_due_at_a_beat_is_done_though_heartbeats_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[bool] = []
    monkeypatch.setattr(Server, "reload", lambda self, *, asked: looks.append(asked))

    async def main() -> None:
        registry = FakeRegistry()
        registry.failures = [RuntimeError("odd")] * 10_000
        async with listening(registry):
            await eventually(lambda: len(looks) >= 3)

    asyncio.run(main())


def test_heartbeats_end_with_the_server() -> None:
    async def main() -> None:
        async with listening(FakeRegistry()):
            pass
        await asyncio.sleep(0)
        assert [
            own.get_name() for own in asyncio.all_tasks() if own.get_name() == "heartbeats"
        ] == []

    asyncio.run(main())


def test_who_comes_during_a_drain_is_answered() -> None:
    async def main() -> None:
        registry = FakeRegistry(sessions=5, leave_per_step=0)
        async with listening(registry, drain_timeout_s=3600) as (server, address):
            draining = asyncio.ensure_future(server.drain())
            await asyncio.sleep(0)
            async with peer(int(address.split(":")[1]), request("/nosuch")) as own:
                assert (await own.head()).startswith("HTTP/1.1 404 ")
            server.hurry()
            await draining

    asyncio.run(main())


def test_after_a_drain_nobody_is_accepted_and_everybody_has_left() -> None:
    async def main() -> None:
        registry = FakeRegistry(sessions=5)
        async with listening(registry) as (server, address):
            await server.drain()
            assert len(registry) == 0
            assert registry.closed_all
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", int(address.split(":")[1]))

    asyncio.run(main())


def test_a_drain_gives_up_at_its_timeout() -> None:
    async def main() -> None:
        registry = FakeRegistry(sessions=5, leave_per_step=0)
        async with listening(registry, drain_timeout_s=0.01) as (server, _):
            async with asyncio.timeout(LIMIT_S):
                await server.drain()
        assert registry.closed_all

    asyncio.run(main())


def test_a_drain_in_a_hurry_ends_now() -> None:
    async def main() -> None:
        registry = FakeRegistry(sessions=5, leave_per_step=0)
        async with listening(registry, drain_timeout_s=3600) as (server, _):
            draining = asyncio.ensure_future(server.drain())
            await asyncio.sleep(0)
            server.hurry()
            await asyncio.wait_for(draining, LIMIT_S)
        assert registry.closed_all

    asyncio.run(main())


def test_an_address_that_cannot_be_had_is_an_error_and_starts_nothing() -> None:
    async def main() -> None:
        with pytest.raises(ListenError):
            Server(FakeRegistry(), drain_timeout_s=0).listen("..", 0, 65_536)  # type: ignore[arg-type]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
