from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from unittest.mock import patch

import orjson
import pytest

from feed.metrics import Metrics
from feed.protocol.messages import Notice
from feed.server import transport as module
from feed.server.transport import SocketTransport
from feed.server.turn import Turn
from feed.sessions.delivery import Delivery
from feed.sessions.session import Session
from tests.fakes import World, frames
from tests.server.local import LIMIT_S, eventually

LIMIT_BYTES = 1_000
PING = b'{"type":"ping","id":1}'


class Line:
    """A session on one end of a pair of sockets, the test on the other."""

    def __init__(self, world: World, transport: SocketTransport, peer: socket.socket) -> None:
        self.world = world
        self.transport = transport
        self.peer = peer
        self.session: Session = world.registry.open(transport, batched=False, peer="test")

    async def send(self, *wire: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.peer, b"".join(wire))

    async def read(self, end: bytes = b"") -> bytes:
        """Read up to what the server wrote last, or to the end of the stream."""
        data = b""
        async with asyncio.timeout(LIMIT_S):
            while not end or end not in data:
                more = await asyncio.get_running_loop().sock_recv(self.peer, 65_536)
                if not more:
                    break
                data += more
        return data


@asynccontextmanager
async def connected(early: bytes = b"", turn: Turn | None = None) -> AsyncIterator[Line]:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    loop = asyncio.get_running_loop()
    transport = SocketTransport(left, loop, turn or Turn(loop), LIMIT_BYTES, Metrics())
    line = Line(World(), transport, right)
    transport.start(line.session, early)
    try:
        yield line
    finally:
        transport.abort()
        right.close()


def run(talk: Callable[[Line], Awaitable[None]], early: bytes = b"") -> None:
    async def main() -> None:
        async with connected(early) as line:
            await talk(line)

    asyncio.run(main())


def masked(opcode: int, payload: bytes) -> bytes:
    """Frame up to 125 bytes the way a client does, with the mask 0, which changes nothing."""
    return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload


def test_a_command_is_answered() -> None:
    async def talk(line: Line) -> None:
        await line.send(masked(1, PING))
        assert b'"pong"' in await line.read(b'"id":1}')

    run(talk)


def test_bytes_that_came_with_the_handshake_count() -> None:
    async def talk(line: Line) -> None:
        assert b'"pong"' in await line.read(b'"id":1}')

    run(talk, early=masked(1, PING))


def test_the_next_command_waits_until_a_long_one_is_done() -> None:
    async def talk(line: Line) -> None:
        with patch("feed.hub.steps.STEP", 1):
            await line.send(masked(1, b'{"type":"subscribe","symbols":["A","B","C"]}'))
            await line.send(masked(1, PING))
            answers = await line.read(b'"pong"')
        assert answers.index(b'"subscribed"') < answers.index(b'"pong"')

    run(talk)


def test_a_session_in_which_something_of_ours_goes_wrong_is_closed_with_1011(
    caplog: pytest.LogCaptureFixture,
) -> None:
    drain, faults = Delivery.drain, [KeyError("once")]

    def fail_once(delivery: Delivery) -> None:
        if faults:
            raise faults.pop()
        drain(delivery)

    async def talk(line: Line) -> None:
        with patch.object(Delivery, "drain", fail_once):
            line.transport.want_write(True)
            assert (1011).to_bytes(2, "big") in await line.read()

    with caplog.at_level(logging.ERROR):
        run(talk)
    assert "KeyError: 'once'" in caplog.text


def test_a_session_that_cannot_even_be_closed_is_let_go() -> None:
    async def talk(line: Line) -> None:
        with patch.object(Delivery, "drain", side_effect=KeyError("again and again")):
            line.transport.want_write(True)
            await line.read()
            assert not line.world.registry.connections

    run(talk)


def test_nothing_is_read_ahead_of_what_is_not_done_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feed.server.turn.SHARE_S", -1.0)
    reads: list[int] = []
    receive = SocketTransport._receive

    def counted(transport: SocketTransport) -> bytes | None:
        data = receive(transport)
        reads.append(len(data or b""))
        return data

    monkeypatch.setattr(SocketTransport, "_receive", counted)

    async def talk(line: Line) -> None:
        many = masked(1, PING) * 100
        await line.send(many)
        await eventually(lambda: len(reads) == 1)
        await line.send(many)
        answers = b""
        while answers.count(b'"pong"') < 200:
            answers += await line.read(b'"id":1}')
        assert reads == [len(many), len(many)]

    run(talk)


def test_a_command_may_come_in_pieces() -> None:
    async def talk(line: Line) -> None:
        for byte in masked(2, PING):
            await line.send(bytes((byte,)))
            await asyncio.sleep(0)
        assert b'"pong"' in await line.read(b'"id":1}')

    run(talk)


def test_a_ping_is_answered_with_its_payload() -> None:
    async def talk(line: Line) -> None:
        await line.send(masked(9, b"abc"), masked(10, b"unasked"))
        assert (0xA, b"abc") in frames(await line.read(b"\x8a\x03abc"))

    run(talk)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"\x03\xe8bye", b"\x03\xe8"),
        (b"\x0f\xa0", b"\x0f\xa0"),
        (b"", b""),
        (b"\x03\xed", b"\x03\xea"),  # 1005 may not be sent: 1002
        (b"\x03", b"\x03\xea"),
    ],
)
def test_a_close_is_answered_and_the_stream_ended(sent: bytes, answered: bytes) -> None:
    async def talk(line: Line) -> None:
        await line.send(masked(8, sent))
        opcode, payload = frames(await line.read())[-1]
        assert (opcode, payload[:2]) == (8, answered)
        line.peer.close()
        await eventually(lambda: line.transport._fd == -1)
        assert len(line.world.registry) == 0

    run(talk)


@pytest.mark.parametrize(
    ("wire", "code"),
    [(masked(1, b"\xff"), 1007), (b"\x81\x01a", 1002), (b"\x81\xfe\x10\x00", 1009)],
)
def test_a_broken_frame_closes_with_its_code_after_what_came_before(wire: bytes, code: int) -> None:
    async def talk(line: Line) -> None:
        await line.send(masked(1, PING), wire)
        *_, pong, (opcode, payload) = frames(await line.read())
        assert b'"pong"' in pong[1]
        assert opcode == 8
        assert int.from_bytes(payload[:2], "big") == code

    run(talk)


def test_our_own_mistake_closes_with_1011_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_session: Session, _payload: bytes) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(Session, "receive", fail)
    caplog.set_level(logging.ERROR)

    async def talk(line: Line) -> None:
        await line.send(masked(1, PING), masked(1, PING))
        opcode, payload = frames(await line.read())[-1]
        assert (opcode, int.from_bytes(payload[:2], "big")) == (8, 1011)
        assert line.session.name.encode() in payload, "the id under which it is in the log"
        assert b"ours" not in payload

    run(talk)
    assert len(caplog.records) == 1


def test_a_peer_that_vanishes_ends_its_session_once() -> None:
    async def talk(line: Line) -> None:
        line.peer.close()
        await eventually(lambda: len(line.world.registry) == 0)
        line.transport.abort()
        line.transport.finish()
        assert line.world.hub.metrics.sessions_closed == {1006: 1}

    run(talk)


def test_a_peer_that_vanishes_while_it_is_written_to_ends_its_session() -> None:
    async def talk(line: Line) -> None:
        line.session.delivery.send(b"\x82\x7f" + (100_000).to_bytes(8, "big") + bytes(100_000))
        asyncio.get_running_loop().remove_reader(line.transport._fd)  # as if it were behind, too
        line.peer.close()
        await eventually(lambda: len(line.world.registry) == 0)

    run(talk)


def test_peers_that_vanish_at_the_same_moment_end_in_turn() -> None:
    async def main() -> list[int]:
        turn = Turn(asyncio.get_running_loop(), count().__next__)  # one step in each turn
        async with AsyncExitStack() as stack:
            lines = [await stack.enter_async_context(connected(turn=turn)) for _ in range(3)]
            lines[0].peer.close()
            lines[1].peer.close()
            lines[2].peer.close()
            lines[2].transport.write(b"x")
            left: list[int] = []
            while sum(len(own.world.registry) for own in lines):
                left.append(sum(len(own.world.registry) for own in lines))
                await asyncio.sleep(0)
        return left

    assert set(asyncio.run(main())) == {3, 2, 1}


def test_a_dead_socket_takes_everything_and_ends_its_session() -> None:
    async def talk(line: Line) -> None:
        line.peer.close()
        assert line.transport.write(b"abc") == 3
        assert line.transport.write(b"abc") == 3
        await eventually(lambda: len(line.world.registry) == 0)

    run(talk)


def test_a_full_socket_takes_a_part_then_nothing_then_the_rest_when_the_peer_reads() -> None:
    async def talk(line: Line) -> None:
        payload = b"\x82\x7f" + (1_000_000).to_bytes(8, "big") + bytes(1_000_000)
        line.session.delivery.send(payload)
        line.session.send(Notice("the end"))
        assert line.transport.write(b"x") == 0
        assert line.session.delivery.queued_bytes > 500_000
        data = await line.read(b'"the end"}')
        assert payload in data
        await eventually(lambda: line.session.delivery.outbox is None)

    run(talk)


def test_a_peer_that_does_not_close_its_side_is_not_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINGER_S", 0.01)

    async def talk(line: Line) -> None:
        line.session.close(4000, "draining")
        assert b'"closing"' in await line.read()
        await eventually(lambda: line.transport._fd == -1)

    run(talk)


def test_nothing_is_answered_after_the_close() -> None:
    async def talk(line: Line) -> None:
        await line.send(masked(8, b"\x03\xe8"), masked(9, b"late"))
        assert frames(await line.read())[-1][0] == 8
        await line.send(masked(9, b"later"))
        assert await line.read() == b""

    run(talk)


def test_whatever_comes_is_a_sign_of_life() -> None:
    async def talk(line: Line) -> None:
        line.session.quiet_beats = 5
        await line.send(masked(10, b"")[:1])
        await eventually(lambda: line.session.quiet_beats == 0)

    run(talk)


def test_a_peer_that_is_given_up_costs_nothing_any_more_though_its_socket_is_full() -> None:
    async def talk(line: Line) -> None:
        line.session.delivery.send(b"\x82\x7f" + (100_000).to_bytes(8, "big") + bytes(100_000))
        assert line.session.delivery.queued_bytes > 0
        line.session.give_up()
        assert line.session.delivery.outbox is None
        assert line.world.registry.connections == 0
        assert line.world.hub.metrics.sessions_closed == {4002: 1}

    run(talk)


def test_a_peer_that_is_given_up_but_reads_again_learns_why() -> None:
    async def talk(line: Line) -> None:
        line.session.give_up()
        opcode, payload = frames(await line.read())[-1]
        assert (opcode, int.from_bytes(payload[:2], "big")) == (8, 4002)

    run(talk)


def test_a_ping_that_comes_after_our_close_but_before_all_is_sent_is_not_answered() -> None:
    async def talk(line: Line) -> None:
        line.session.delivery.send(b"\x82\x7f" + (100_000).to_bytes(8, "big") + bytes(100_000))
        line.session.close(4000, "draining")
        await line.send(masked(9, b"late"))
        await asyncio.sleep(0.01)
        assert frames(await line.read())[-1][0] == 8

    run(talk)


def test_a_client_that_floods_is_answered_in_order() -> None:
    async def talk(line: Line) -> None:
        count = 300
        await line.send(*(masked(1, b'{"type":"ping","id":%d}' % at) for at in range(count)))
        data = await line.read(b'"id":%d}' % (count - 1))
        answers = [orjson.loads(payload) for _, payload in frames(data)]
        assert [own["id"] for own in answers if own["type"] == "pong"] == list(range(count))

    run(talk)
