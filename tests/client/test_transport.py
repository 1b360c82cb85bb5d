from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from feed.client import transport as transport_module
from feed.client.frames import READ_BYTES
from feed.client.handshake import HandshakeRefused, read_url
from feed.client.transport import Disconnected, Socket, dial
from feed.errors import ConnectionFailed

Handler = Callable[[ServerConnection], Awaitable[None]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def port_of(server: Server | asyncio.Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])


def against(handler: Handler, use: Callable[[Socket], Awaitable[None]]) -> None:
    """Let a client use a transport to a server that this project did not write."""

    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0, compression=None, max_size=None) as server:
            link = await dial(read_url(f"ws://127.0.0.1:{port_of(server)}/v1/stream"))
            try:
                await use(link)
            finally:
                await link.close()

    asyncio.run(main())


def against_raw(handler: Raw, use: Callable[[str], Awaitable[None]]) -> None:
    """Let a client use a server that does not keep to the rules."""
    ended: list[asyncio.Future[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(asyncio.get_running_loop().create_future())
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            ended[-1].set_result(None)

    async def main() -> None:
        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            await use(f"ws://127.0.0.1:{port_of(server)}")
            await asyncio.gather(*ended)
            await asyncio.sleep(0)

    asyncio.run(main())


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    from feed.client.handshake import accept_of

    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = head.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
    answer = "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{answer}Sec-WebSocket-Accept: {accept_of(key)}\r\n\r\n".encode())


def test_messages_travel_both_ways_and_the_path_asks_for_batches() -> None:
    async def echo(peer: ServerConnection) -> None:
        assert peer.request is not None
        await peer.send(peer.request.path)
        async for message in peer:
            await peer.send(message)
            await peer.send(b"\x00\xff")
            await peer.send(["frag", "ment", "ed"])

    async def use(link: Socket) -> None:
        assert await link.receive(5) == ["/v1/stream?batch=1"]
        link.send(("ü" * 70_000).encode())
        got: list[str | bytes] = []
        while len(got) < 3:
            got += await link.receive(5)
        assert got == ["ü" * 70_000, b"\x00\xff", "fragmented"]

    against(echo, use)


def test_a_ping_is_answered_while_nobody_receives() -> None:
    answered = asyncio.Event()

    async def ping(peer: ServerConnection) -> None:
        await (await peer.ping(b"payload"))
        answered.set()
        await peer.wait_closed()

    async def use(link: Socket) -> None:
        await asyncio.wait_for(answered.wait(), 5)

    against(ping, use)


def test_a_close_comes_after_the_messages_before_it_with_code_and_reason() -> None:
    async def leave(peer: ServerConnection) -> None:
        await peer.send("last")
        await peer.close(4001, "slow consumer")

    async def use(link: Socket) -> None:
        assert await link.receive(5) == ["last"]
        for _ in range(2):
            with pytest.raises(Disconnected) as caught:
                await link.receive(5)
            assert (caught.value.code, caught.value.reason) == (4001, "slow consumer")
        link.send(b"dropped")

    against(leave, use)


def test_our_close_is_a_clean_one_for_the_server() -> None:
    seen = []

    async def wait(peer: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed):
            await peer.recv()
        seen.append((peer.close_code, peer.close_reason))

    async def use(link: Socket) -> None:
        await link.close(1000, "done")

    against(wait, use)
    assert seen == [(1000, "done")]


def test_a_reader_that_stops_stops_the_sender_and_holds_little() -> None:
    message = "x" * 16_384
    sent = 0

    async def flood(peer: ServerConnection) -> None:
        nonlocal sent
        peer.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536
        )
        with suppress(ConnectionClosed):
            while True:
                await peer.send(message)
                sent += 1

    async def use(link: Socket) -> None:
        await link.receive(5)
        before = -1
        while sent != before:  # until the sender blocks, with nobody receiving
            before = sent
            await asyncio.sleep(0.05)
        (await link.receive(5)).clear()
        held = sum(len(text) for text in await link.receive(5))
        assert held <= 2 * READ_BYTES + len(message)
        assert sent < 2_000
        while sent < before + 100:  # receiving lets it go on
            await link.receive(5)

    against(flood, use)


def test_being_cancelled_or_timed_out_loses_no_message() -> None:
    go = asyncio.Event()

    async def later(peer: ServerConnection) -> None:
        await go.wait()
        await peer.send("kept")
        await peer.wait_closed()

    async def use(link: Socket) -> None:
        with pytest.raises(TimeoutError):
            await link.receive(0.001)
        waiting = asyncio.create_task(link.receive(None))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        go.set()
        assert await link.receive(5) == ["kept"]

    against(later, use)


@pytest.mark.parametrize(
    ("frames", "code"), [(b"\x81\x02ok\x83\x00", 1002), (b"\x81\x02ok\x88\x02\x00\x01", 1002)]
)
def test_a_broken_frame_closes_with_the_code_for_it(frames: bytes, code: int) -> None:
    told = []

    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(frames)
        close = await reader.readexactly(2 + 4 + 2)
        told.append(bytes(a ^ b for a, b in zip(close[6:], close[2:4], strict=True)))

    async def use(url: str) -> None:
        link = await dial(read_url(url))
        assert await link.receive(5) == ["ok"]
        with pytest.raises(Disconnected) as caught:
            await link.receive(5)
        assert caught.value.code == code
        await link.close()

    against_raw(broken, use)
    assert told == [code.to_bytes(2, "big")]


def test_a_connection_cut_without_a_close_is_1006() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)

    async def use(url: str) -> None:
        link = await dial(read_url(url))
        with pytest.raises(Disconnected, match=r"^1006 connection lost$"):
            await link.receive(5)
        await link.close()

    against_raw(cut, use)


def test_closing_does_not_wait_long_for_a_server_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport_module, "CLOSE_TIMEOUT_S", 0.01)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await reader.read()

    async def use(url: str) -> None:
        link = await dial(read_url(url))
        await asyncio.wait_for(link.close(), 1)

    against_raw(deaf, use)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "answered HTTP 403 Forbidden"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not a WebSocket server"),
        (b"HTTP/1.1 101 OK\r\n\r\n", "not a WebSocket server (its handshake is wrong)"),
        (b"", "the connection was closed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, "answered HTTP 200 OK"),
    ],
)
def test_a_server_that_opens_no_websocket_is_named(answer: bytes, said: str) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def use(url: str) -> None:
        with pytest.raises(ConnectionFailed) as caught:
            await dial(read_url(url))
        assert str(caught.value) == f"cannot connect to {url}: " + (
            f"the server {said}" if said.startswith("answered") else said
        )
        assert isinstance(caught.value, HandshakeRefused) is said.startswith("answered")

    against_raw(other, use)


def test_a_server_that_does_not_answer_is_given_up() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def use(url: str) -> None:
        with pytest.raises(ConnectionFailed, match=r"no answer within 0.05 s$"):
            await dial(read_url(url), timeout_s=0.05)

    against_raw(mute, use)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_listening_is_said_with_what_to_do(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ConnectionFailed) as caught:
        asyncio.run(dial(read_url(f"ws://{host}:{port}/")))
    text = f"cannot connect to ws://{host}:{port}: connection refused (is `feed serve` running?)"
    assert str(caught.value) == text


def test_a_host_that_does_not_exist_is_said() -> None:
    with pytest.raises(ConnectionFailed, match=r"ws://nowhere\.invalid: no such host$"):
        asyncio.run(dial(read_url("ws://nowhere.invalid")))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_wss_takes_a_context_and_refuses_a_certificate_nobody_trusts(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key}"
    make += f" -out {certificate} -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(make.split(), check=True, capture_output=True)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)

    async def hello(peer: ServerConnection) -> None:
        await peer.send("x" * 1_000_000)
        await peer.wait_closed()

    async def main() -> None:
        async with serve(hello, "127.0.0.1", 0, ssl=server_side) as server:
            address = read_url(f"wss://127.0.0.1:{port_of(server)}")
            with pytest.raises(ConnectionFailed, match="certificate is not trusted: self-signed"):
                await dial(address)
            link = await dial(address, tls=ssl.create_default_context(cafile=certificate))
            assert await link.receive(5) == ["x" * 1_000_000]
            await link.close()

    asyncio.run(main())
