from __future__ import annotations

import asyncio
import socket

import pytest

from feed.server import arrivals, entrance
from feed.server.gate import Gate
from feed.sessions.auth import Authority, Mode, Trusted
from feed.sessions.keys import Keys
from feed.sessions.limits import Limits
from tests.fakes import World, quote
from tests.server.local import answer, eventually, handshake, peer, request, serving


@pytest.fixture(params=["plain", "tornado"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each handshake read at one look, and by Tornado."""
    if request.param == "tornado":
        monkeypatch.setattr(arrivals, "read_head", lambda _: None)


def test_a_refusal_names_the_version_that_is_spoken() -> None:
    async def ask() -> tuple[str, bytes]:
        async with serving(World()) as port:
            return await answer(port, request("/v1/stream"))

    head, body = asyncio.run(ask())
    assert head.startswith("HTTP/1.1 426 ")
    assert "\r\nSec-Websocket-Version: 13\r\n" in head
    assert body.endswith(b"\n")


def test_the_accept_value_is_the_one_of_the_rfc() -> None:
    async def ask() -> str:
        async with serving(World()) as port, peer(port, handshake()) as own:
            return await own.head()

    head = asyncio.run(ask())
    assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
    assert "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert "extensions" not in head.lower()


@pytest.mark.parametrize(
    ("query", "batched"), [("?batch=1", True), ("?batch=0", False), ("", False)]
)
def test_batch_1_asks_for_batches(query: str, batched: bool) -> None:
    world = World()

    async def ask() -> bytes:
        async with serving(world) as port, peer(port, handshake(f"/v1/stream{query}")) as own:
            await own.until(b'"none"}')
            own.writer.write(masked(b'{"type":"subscribe","symbols":["A"],"snapshot":false}'))
            await own.until(b"]}}")
            world.publish(quote(), quote())
            world.hub.flush()
            return await own.until(b'"seq":2')

    assert (b"[{" in asyncio.run(ask())) is batched


def test_an_unreadable_query_is_a_bad_request_and_no_session() -> None:
    world = World()

    async def ask() -> tuple[str, bytes]:
        async with serving(world) as port:
            return await answer(port, handshake("/v1/stream?batch=%ff"))

    assert asyncio.run(ask())[0].startswith("HTTP/1.1 400 ")
    assert world.hub.metrics.sessions_opened == 0


def test_commands_that_come_with_the_handshake_are_carried_out() -> None:
    async def ask() -> bytes:
        commands = b"".join(masked(b'{"type":"ping","id":%d}' % own) for own in range(2_000))
        async with serving(World()) as port, peer(port, handshake() + commands) as own:
            return await own.until(b'"id":1999}')

    assert asyncio.run(ask()).count(b'"pong"') == 2_000


def test_a_peer_that_leaves_during_the_handshake_leaves_no_session() -> None:
    world = World()

    async def ask() -> None:
        async with serving(world) as port:
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", port)) as sock:
                    reset = (1).to_bytes(4, "little") + bytes(4)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    sock.sendall(handshake())
            async with peer(port, handshake()) as own:
                await own.head()
                await eventually(lambda: len(world.registry) == 1)

    asyncio.run(ask())


def test_small_messages_are_not_held_back() -> None:
    world = World()

    async def ask() -> int:
        async with serving(world) as port, peer(port, handshake()) as own:
            await own.until(b"}")
            [session] = [own for slot in world.registry._slots for own in slot.values()]
            sock: socket.socket = session.delivery._transport._socket  # type: ignore[attr-defined]
            return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert asyncio.run(ask()) == 1


@pytest.mark.parametrize(
    ("draining", "limit", "reason"),
    [
        (False, 1, b"sessions_limit: this feed has no room for another session\n"),
        (True, 10, b"draining: this feed is about to stop\n"),
    ],
)
def test_who_comes_at_a_bad_time_is_told_to_come_back(
    draining: bool, limit: int, reason: bytes
) -> None:
    world = World(limits=Limits(sessions=limit))

    async def ask() -> tuple[str, bytes]:
        async with serving(world) as port, peer(port, handshake()) as own:
            await own.until(b'"none"}')
            world.registry.draining = draining
            return await answer(port, handshake())

    head, body = asyncio.run(ask())
    assert head.startswith("HTTP/1.1 503 ")
    assert "\r\nRetry-After: 5\r\n" in head
    assert body == reason


def test_a_place_is_free_again_when_a_session_has_gone() -> None:
    world = World(limits=Limits(sessions=1))

    async def ask() -> str:
        async with serving(world) as port:
            async with peer(port, handshake()) as own:
                await own.until(b'"none"}')
            await eventually(lambda: world.registry.connections == 0)
            async with peer(port, handshake()) as own:
                return await own.head()

    assert asyncio.run(ask()).startswith("HTTP/1.1 101 ")


def test_a_mistake_of_ours_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_registry: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(entrance, "unavailable", fail)

    async def ask() -> tuple[str, bytes]:
        async with serving(World()) as port:
            return await answer(port, handshake())

    head, body = asyncio.run(ask())
    assert head.startswith("HTTP/1.1 500 ")
    assert b"ours" not in body
    assert [own.levelname for own in caplog.records] == ["ERROR"]


def masked(payload: bytes) -> bytes:
    """Frame a short text the way a client does, with the mask 0, which changes nothing."""
    return bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload


def known(mode: Mode = "required", limits: Limits | None = None) -> tuple[World, str]:
    """Give a feed at which desk-2 has a key."""
    keys = Keys()
    token = keys.create("desk-2", {"subscribe": ["A"]}, "now")
    return World(None, limits, authority=Authority(mode, load=lambda: Trusted(keys))), token


def shake(
    world: World, path: str = "/v1/stream", header: str = "", gate: Gate | None = None
) -> tuple[str, bytes]:
    """Give the head of the answer to a handshake, and what comes at once after it."""

    async def ask() -> tuple[str, bytes]:
        first = handshake(path)
        if header:
            first = first.replace(b"\r\n\r\n", f"\r\n{header}\r\n\r\n".encode())
        async with serving(world, gate=gate) as port, peer(port, first) as own:
            head = await own.head()
            return head, await own.until(b"}") + await asyncio.wait_for(own.reader.read(999), 5)

    return asyncio.run(ask())


def test_a_token_in_the_header_says_who_a_session_is() -> None:
    world, token = known()
    head, told = shake(world, header=f"Authorization: Bearer {token}")
    assert head.startswith("HTTP/1.1 101 ")
    assert b'"authentication":"required"' in told
    assert b'"type":"authenticated","principal":"desk-2"' in told


def test_a_bad_token_in_the_header_gets_401() -> None:
    async def ask(mode: Mode) -> tuple[str, bytes]:
        headers = b"\r\nAuthorization: Bearer canary\r\n\r\n"
        async with serving(known(mode)[0]) as port:
            return await answer(port, handshake().replace(b"\r\n\r\n", headers))

    head, body = asyncio.run(ask("optional"))
    assert head.startswith("HTTP/1.1 401 ")
    assert "\r\nWww-Authenticate: Bearer\r\n" in head
    assert body == b"bad_token: the key is unknown or was revoked\n"


def test_a_page_says_who_it_is_by_a_subprotocol_which_is_never_repeated() -> None:
    world, token = known()
    head, told = shake(world, header=f"Sec-WebSocket-Protocol: feed.v1, bearer.{token}")
    assert "\r\nSec-WebSocket-Protocol: feed.v1\r\n" in head
    assert "bearer" not in head
    assert b'"type":"authenticated"' in told


def test_a_page_with_a_bad_token_reads_the_close_code_as_it_sees_no_status() -> None:
    head, told = shake(known()[0], header="Sec-WebSocket-Protocol: feed.v1, bearer.canary")
    assert head.startswith("HTTP/1.1 101 ")
    assert b'"type":"closing","code":4501' in told
    assert (4501).to_bytes(2, "big") in told
    assert b"canary" not in told


def test_a_token_in_the_url_needs_a_setting() -> None:
    world, token = known()
    assert b'"code":4501' in shake(world, f"/v1/stream?token={token}")[1]
    world, token = known()
    gate = Gate(token_in_url=True)
    assert b'"type":"authenticated"' in shake(world, f"/v1/stream?token={token}", gate=gate)[1]
