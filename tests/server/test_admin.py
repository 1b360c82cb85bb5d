from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from feed.server.gate import Gate
from feed.sessions.entitlements import ANONYMOUS
from tests.fakes import FakeTransport, World, messages
from tests.server.local import answer, request, serving


def asked(world: World, path: str, *headers: str, body: bytes | None = None) -> tuple[int, Any]:
    first = request(path, *headers, method="GET" if body is None else "POST")
    if body is not None:
        length = b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        first = first.replace(b"\r\n\r\n", length) + body

    async def ask() -> tuple[str, bytes]:
        async with serving(world, gate=Gate()) as port:
            return await answer(port, first)

    head, told = asyncio.run(ask())
    return int(head.split()[1]), orjson.loads(told) if told.startswith(b"{") else told


def with_session() -> tuple[World, str, FakeTransport]:
    world, transport = World(anonymous=replace(ANONYMOUS, admin=True)), FakeTransport()
    session = world.registry.open(transport, batched=False, peer="192.0.2.1")
    return world, session.name, transport


def test_an_admin_sees_who_is_connected() -> None:
    world, name, _ = with_session()
    status, told = asked(world, "/v1/sessions")
    assert (status, told["total"]) == (200, 1)
    assert told["sessions"] == [
        {
            "session": name,
            "principal": "anonymous",
            "address": "192.0.2.1",
            "delay_s": 0,
            "expires_at": None,
            "subscriptions": 0,
            "queued_bytes": 0,
        }
    ]


@pytest.mark.parametrize(("body", "code"), [(b"", 4502), (b',"reconnect":true', 4000)])
def test_an_admin_sends_a_session_home(body: bytes, code: int) -> None:
    world, name, transport = with_session()
    status, told = asked(world, f"/v1/sessions/{name}", body=b'{"action":"kick"%s}' % body)
    assert (status, told) == (200, {"session": name, "code": code})
    assert messages(transport)[-1]["code"] == code
    assert world.hub.metrics.sessions_closed == {code: 1}


def test_nobody_else_may() -> None:
    world = World()
    for body in (None, b'{"action":"kick"}'):
        path = "/v1/sessions" if body is None else "/v1/sessions/abc"
        status, told = asked(world, path, body=body)
        assert (status, told["code"]) == (403, "not_entitled")


def test_a_foreign_page_may_not_and_a_change_is_a_post() -> None:
    world, name, transport = with_session()
    kick = b'{"action":"kick"}'
    path = f"/v1/sessions/{name}"
    assert asked(world, path, "Origin: http://evil.example", body=kick)[0] == 403
    assert asked(world, path, "Sec-Fetch-Site: cross-site", body=kick)[0] == 403
    assert asked(world, path)[0] == 405
    assert all(own.get("code") != 4502 for own in messages(transport))


BODIES = [
    b"",
    b"[]",
    b"{",
    b'{"action":"dance"}',
    b'{"action":1}',
    b"[" * 9999,
    b'{"action":"\xff"}',
]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_none_is_told(body: bytes) -> None:
    world, name, _ = with_session()
    status, told = asked(world, f"/v1/sessions/{name}", body=body)
    assert (status, told["code"]) == (400, "bad_message")


def test_a_session_that_is_not_there_is_not_found() -> None:
    world, _, _ = with_session()
    assert asked(world, "/v1/sessions/0", body=b'{"action":"kick"}')[0] == 404
