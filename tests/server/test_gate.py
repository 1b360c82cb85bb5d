from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from feed.server.gate import address_of, unavailable
from feed.sessions.addresses import Addresses
from feed.sessions.auth import Authority
from feed.sessions.entitlements import Principal
from feed.sessions.limits import Limits
from tests.fakes import FakeTransport, World


def asking(**headers: str) -> HTTPServerRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "x"} | named))
    request.remote_ip = "198.51.100.7"
    return request


def test_the_address_is_the_peers() -> None:
    assert address_of(asking(X_Forwarded_For="203.0.113.1"), World().registry) == "198.51.100.7"


def code(world: World, principal: Principal | None = None, **headers: str) -> str | None:
    refused = unavailable(asking(**headers), world.registry, principal)
    return refused and refused[1]


def test_there_is_room_until_a_limit_is_reached() -> None:
    world = World(limits=Limits(sessions=1))
    assert code(world) is None
    session = world.registry.open(FakeTransport(), batched=False, peer="a")
    assert code(world) == "sessions_limit"
    session.lost()
    assert code(world) is None
    world.registry.drain()
    assert code(world) == "draining"


def test_an_address_has_so_many_sessions_and_gets_them_back() -> None:
    world = World(addresses=Addresses(sessions=1))
    session = world.registry.open(FakeTransport(), batched=False, peer="198.51.100.7")
    assert code(world) == "address_limit"
    session.lost()
    assert code(world) is None
    assert not world.registry.admission.addresses.sessions


def test_an_address_may_shake_hands_so_often() -> None:
    world = World(addresses=Addresses(handshakes_per_s=1))
    assert [code(world) for _ in range(5)] == [None] * 4 + ["handshake_limit"]
    world.clock.passed_s = 1.0
    assert code(world) is None


@pytest.mark.parametrize(
    ("headers", "principal", "expected"),
    [
        ({}, None, "unauthenticated_limit"),
        ({"Sec_WebSocket_Protocol": "feed.v1, bearer.x"}, None, None),
        ({}, Principal("desk-2"), None),
    ],
)
def test_only_so_many_may_have_yet_to_say_who_they_are(
    headers: dict[str, str], principal: Principal | None, expected: str | None
) -> None:
    limits = Limits(unauthenticated_sessions=1)
    world = World(limits=limits, authority=Authority("required"))
    world.registry.open(FakeTransport(), batched=False, peer="a")
    assert code(world, principal, **headers) == expected
