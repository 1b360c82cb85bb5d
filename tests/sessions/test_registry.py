from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from feed.codes import CloseCode
from feed.protocol.frames import Opcode
from feed.protocol.messages import SourcePosition
from feed.sessions.admission import Admission
from feed.sessions.entitlements import ANONYMOUS, NOBODY, Principal
from feed.sessions.limits import Limits
from feed.sessions.registry import BEATS
from feed.sessions.tiers import Tiers
from feed.symbols import ALL_SYMBOLS
from tests.fakes import FakeTransport, World, frames, messages, quote


def opened(world: World, count: int) -> list[FakeTransport]:
    transports = [FakeTransport() for _ in range(count)]
    for transport in transports:
        world.registry.open(transport, batched=False, peer="test")
    return transports


def test_every_session_gets_one_heartbeat_per_interval() -> None:
    world = World()
    transports = opened(world, 20)
    for _ in range(BEATS):
        world.registry.beat(lag_ms=0.25)
    for transport in transports:
        beats = [own for own in messages(transport) if own["type"] == "heartbeat"]
        assert beats == [
            {
                "type": "heartbeat",
                "ts_out": 1000,
                "queued_bytes": 0,
                "lag_ms": 0.25,
                "sources": {"replay": "live"},
            }
        ]
    assert world.registry.beat_interval_s * BEATS == 5


def fails(*_: object, **named: object) -> Any:
    raise RuntimeError("odd")


@pytest.mark.parametrize(
    ("owner", "part"), [(Admission, "patrol"), (Admission, "expire"), (Tiers, "catch_up")]
)
def test_a_part_of_each_beat_that_fails_keeps_no_heartbeat_back(
    owner: type, part: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    transports = opened(world, 20)
    monkeypatch.setattr(owner, part, fails)
    rounds(world, 2)
    for transport in transports:
        beats = [own for own in messages(transport) if own["type"] == "heartbeat"]
        assert len(beats) == 2
    assert caplog.messages == ["heartbeats failed, and go on: RuntimeError: odd"]


def test_a_session_whose_heartbeat_fails_keeps_that_of_no_other_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, names = World(), iter([f"{1 + BEATS * number:08x}" for number in range(3)])
    with patch("secrets.token_hex", lambda size: next(names)):
        transports = opened(world, 3)
    broken = next(iter(world.registry))
    broken.delivery.write = fails
    rounds(world, 1)
    assert [messages(own)[-1]["type"] for own in transports] == [
        "welcome",
        "heartbeat",
        "heartbeat",
    ]
    assert caplog.messages == ["heartbeats failed, and go on: RuntimeError: odd"]


def test_a_session_that_is_behind_hears_how_much_is_queued() -> None:
    world = World()
    [transport] = opened(world, 1)
    transport.room = 0
    [session] = [own for slot in world.registry._slots for own in slot.values()]
    session.receive(b'{"type":"ping"}')
    for _ in range(BEATS):
        world.registry.beat(lag_ms=0)
    transport.room = 1 << 20
    session.delivery.drain()
    assert messages(transport)[-1]["queued_bytes"] > 0


def test_draining_waits_for_sessions_that_are_owed_something() -> None:
    world = World()
    quick, slow = opened(world, 2)
    sessions = [own for slot in world.registry._slots for own in slot.values()]
    behind = next(own for own in sessions if own.delivery.write == slow.write)
    behind.receive(b'{"type":"subscribe","symbols":["A"]}')
    slow.room = 10
    world.publish(quote("A"))
    world.hub.flush()
    assert world.registry.drain() == 1
    assert messages(quick)[-1]["type"] == "closing"
    slow.room = 1 << 20
    behind.delivery.drain()
    assert world.registry.drain() == 0
    assert [own["type"] for own in messages(slow)[-2:]] == ["quote", "closing"]
    assert world.hub.metrics.sessions_closed == {CloseCode.DRAINING: 2}


def test_sessions_are_sent_home_in_steps() -> None:
    world = World()
    opened(world, 100)
    left = [world.registry.drain() for _ in range(6)]
    assert left == [80, 60, 40, 20, 0, 0]


def test_close_all_leaves_nobody() -> None:
    world = World()
    transports = opened(world, 3)
    transports[0].room = 0
    world.registry.close_all()
    assert len(world.registry) == 0


def rounds(world: World, count: int) -> None:
    """Let whole heartbeat intervals pass."""
    for _ in range(count * BEATS):
        world.registry.beat(lag_ms=0)


def pings(transport: FakeTransport) -> int:
    return frames(bytes(transport.taken)).count((Opcode.PING, b""))


@pytest.mark.parametrize(("silence_s", "patience"), [(25, 5), (21, 5), (10, 2), (1, 2)])
def test_a_silent_peer_is_pinged_and_given_up_within_an_interval_of_the_limit(
    silence_s: float, patience: int
) -> None:
    world = World(limits=Limits(silence_s=silence_s))
    [transport] = opened(world, 1)
    rounds(world, patience)
    assert pings(transport) == patience - patience // 2 >= 1
    assert len(world.registry) == 1
    rounds(world, 1)
    *_, (_, farewell), (opcode, payload) = frames(bytes(transport.taken))
    assert b'"code":4002' in farewell
    assert (opcode, payload) == (Opcode.CLOSE, (4002).to_bytes(2, "big") + b"no heartbeat")
    assert transport.aborted
    assert len(world.registry) == 0
    assert world.hub.metrics.sessions_closed == {CloseCode.NO_HEARTBEAT: 1}


def test_a_silent_peer_whose_socket_is_full_is_given_up_as_soon() -> None:
    world = World()
    [transport] = opened(world, 1)
    transport.room = 0
    rounds(world, 6)
    assert transport.aborted
    assert len(world.registry) == 0


def test_a_peer_that_is_heard_stays_and_is_not_even_pinged() -> None:
    world = World()
    [transport] = opened(world, 1)
    [session] = [own for slot in world.registry._slots for own in slot.values()]
    for _ in range(20):
        rounds(world, 1)
        session.quiet_beats = 0
    assert pings(transport) == 0
    assert len(world.registry) == 1


def test_sockets_count_until_they_are_closed() -> None:
    world = World()
    [transport] = opened(world, 1)
    [session] = [own for slot in world.registry._slots for own in slot.values()]
    world.registry.close_all()
    assert transport.finished
    assert (len(world.registry), world.registry.connections) == (0, 1)
    session.lost()
    assert world.registry.connections == 0


def test_draining_says_that_nobody_is_welcome() -> None:
    world = World()
    own = world.registry
    assert [own.draining, own.drain(), own.draining] == [False, 0, True]


def test_a_notice_reaches_every_session_in_turn() -> None:
    world = World()
    transports = opened(world, 20)
    world.registry.announce("maintenance at 22:00")
    assert len(world.timers) == BEATS
    world.fire_timers()
    for transport in transports:
        notices = [own for own in messages(transport) if own["type"] == "notice"]
        assert notices == [{"type": "notice", "message": "maintenance at 22:00"}]


def test_heartbeats_tell_how_far_sources_have_come() -> None:
    world = World()
    [transport] = opened(world, 1)
    world.registry._positions = lambda: {"replay": SourcePosition(7, 2.0, 5)}
    for _ in range(BEATS):
        world.registry.beat(lag_ms=0)
    beat = messages(transport)[-1]
    assert beat["positions"] == {"replay": {"ts_event": 7, "speed": 2.0, "ticks": 5}}


@pytest.mark.parametrize(
    ("principal", "sees"),
    [
        (ANONYMOUS, True),
        (NOBODY, False),
        (Principal("late", ALL_SYMBOLS, delay_s=900), False),
        (Principal("late boss", ALL_SYMBOLS, delay_s=900, admin=True), True),
    ],
)
@pytest.mark.parametrize("room", [1 << 40, 50])
def test_only_who_is_current_hears_how_far_sources_have_come(
    principal: Principal, sees: bool, room: int
) -> None:
    world, transport, neighbour = World(), FakeTransport(room), FakeTransport()
    own = world.registry.open(transport, batched=False, peer="test", principal=principal)
    world.registry.open(neighbour, batched=False, peer="test")
    world.registry._positions = lambda: {"replay": SourcePosition(7, 2.0, 5)}
    for _ in range(BEATS):
        world.registry.beat(lag_ms=0)
    transport.room = 1 << 40
    own.delivery.drain()
    assert ("positions" in messages(transport)[-1]) is sees
    assert "positions" in messages(neighbour)[-1]


def test_no_two_sessions_have_one_name() -> None:
    world, names = World(), iter(["00000001", "00000001", "00000002"])
    with patch("secrets.token_hex", lambda size: next(names)):
        for _ in range(2):
            world.registry.open(FakeTransport(), batched=False, peer="test")
    assert len(world.registry) == 2
