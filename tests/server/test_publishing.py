from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from feed.server import publishing
from feed.sessions.auth import Authority
from feed.sessions.entitlements import Principal
from feed.sessions.expiry import NS
from feed.symbols import ALL_SYMBOLS, NO_SYMBOLS, SymbolSet
from tests.fakes import FakeTransport, World, messages
from tests.server.local import answer, eventually, peer, request, serving

TRADE = {"type": "trade", "symbol": "A", "price": 1.5}
BAD = {"type": "trade", "symbol": "A", "price": None}
NDJSON = "Content-Type: application/x-ndjson"


def open_world() -> World:
    return World(anonymous=Principal("desk", ALL_SYMBOLS, ALL_SYMBOLS))


def post(body: bytes, *headers: str, world: World | None = None) -> tuple[int, Any]:
    async def ask() -> tuple[str, bytes]:
        async with serving(world or open_world()) as port:
            size = f"Content-Length: {len(body)}"
            head = request("/v1/ticks", size, "Connection: close", *headers, method="POST")
            return await answer(port, head + body)

    head, told = asyncio.run(ask())
    return int(head.split()[1]), orjson.loads(told)


def lines(*ticks: Any) -> bytes:
    return b"\n".join(orjson.dumps(tick) for tick in ticks)


@pytest.mark.parametrize(
    ("body", "headers", "seqs"),
    [
        (orjson.dumps(TRADE), (), [1]),
        (orjson.dumps(TRADE, option=orjson.OPT_INDENT_2), (), [1]),
        (orjson.dumps([TRADE, BAD, TRADE]), (), [1, None, 2]),
        (orjson.dumps([]), (), []),
        (lines(TRADE), (NDJSON,), [1]),
        (lines(TRADE, BAD, TRADE) + b"\n", (NDJSON,), [1, None, 2]),
        (lines(TRADE) + b"\r\n\r\n" + lines(TRADE), (NDJSON + "; charset=utf-8",), [1, 2]),
        (b"", (NDJSON,), []),
        (b"[" + lines(TRADE) + b',{"type":"trade","symbol":"A","price":NaN}]', (), [1, None]),
    ],
)
def test_an_object_a_list_and_lines_are_answered_alike(
    body: bytes, headers: tuple[str, ...], seqs: list[int | None]
) -> None:
    status, told = post(body, *headers)
    assert status == 200
    assert told["type"] == "published"
    assert told["seqs"] == seqs
    assert told["accepted"] == len([own for own in seqs if own])
    assert [own["index"] for own in told["rejected"]] == [
        place for place, own in enumerate(seqs) if own is None
    ]


def test_every_session_that_subscribes_gets_them() -> None:
    world, transport = open_world(), FakeTransport()
    session = world.registry.open(transport, batched=False, peer="test")
    session.receive(b'{"type":"subscribe","symbols":["A"]}')

    async def main() -> None:
        body = orjson.dumps(TRADE)
        head = request("/v1/ticks", f"Content-Length: {len(body)}", method="POST")
        async with serving(world) as port:
            await answer(port, head + body)
            world.hub.flush()

    asyncio.run(main())
    assert [own["price"] for own in messages(transport) if own["type"] == "trade"] == [1.5]


def test_places_are_those_of_the_whole_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "PUBLISH_TICKS", 2)
    monkeypatch.setattr(publishing, "REJECTED", 2)
    ticks = [TRADE, TRADE, TRADE, BAD, BAD, BAD]
    for body, headers in ((orjson.dumps(ticks), ()), (lines(*ticks), (NDJSON,))):
        _, told = post(body, *headers)
        assert told["seqs"] == [1, 2, 3, None, None, None]
        assert [own["index"] for own in told["rejected"]] == [3, 4]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", (), 400, "bad_json"),
        (b"{", (), 400, "bad_json"),
        (b"7", (), 400, "bad_message"),
        (b"x" * 70_000, (NDJSON,), 413, "limit_exceeded"),
        (b" " * 1_100_000, (), 413, "limit_exceeded"),
    ],
)
def test_what_is_no_list_of_ticks_is_refused(
    body: bytes, headers: tuple[str, ...], status: int, code: str
) -> None:
    found, told = post(body, *headers)
    assert (found, told["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (lines(*[TRADE] * 9), (NDJSON,)),
        (lines(*[TRADE] * 9) + b"\n", (NDJSON,)),
        (orjson.dumps([TRADE] * 9), ()),
    ],
)
def test_too_many_ticks_say_how_many_of_them_were_published(
    body: bytes, headers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PUBLISH_TICKS", 2)
    monkeypatch.setattr(publishing, "TICKS", 5)
    world = open_world()
    status, told = post(body, *headers, world=world)
    assert status == 413
    assert "the first 4 were published" in told["message"]
    assert world.hub.metrics.ticks_in == 4


def test_who_may_not_publish_is_told_so() -> None:
    status, told = post(orjson.dumps(TRADE), world=World())
    assert (status, told["code"]) == (403, "not_entitled")


def test_nothing_but_post_is_taken_there() -> None:
    async def ask() -> str:
        async with serving(open_world()) as port:
            return (await answer(port, request("/v1/ticks")))[0]

    head = asyncio.run(ask())
    assert head.startswith("HTTP/1.1 405")
    assert "Allow: POST" in head


def test_lines_are_published_while_the_request_goes_on() -> None:
    world = open_world()

    async def main() -> None:
        head = request("/v1/ticks", NDJSON, "Transfer-Encoding: chunked", method="POST")
        async with serving(world) as port, peer(port, head) as own:
            line = lines(TRADE) + b"\n"
            own.writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await eventually(lambda: world.hub.metrics.ticks_in == 1)
            own.writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(line), line))
            assert "200" in await own.head()

    asyncio.run(main())
    assert world.hub.metrics.ticks_in == 2


DESK = Principal("desk", ALL_SYMBOLS, ALL_SYMBOLS, expires_at=1_000, credential="k1")
MUTE = replace(DESK, publish=NO_SYMBOLS)


class Door(Authority):
    """Reads any token once, and knows what has become of its principal since."""

    def __init__(self) -> None:
        super().__init__("required")
        self.principal: Principal | None = DESK
        self.read = 0

    def identify(self, token: str) -> Principal:
        self.read += 1
        return DESK

    def renewed(self, principal: Principal) -> Principal | None:
        return self.principal


def chunk(*ticks: Any) -> bytes:
    body = lines(*ticks) + b"\n"
    return b"%x\r\n%s\r\n" % (len(body), body)


def change_meanwhile(principal: Principal | None, at_s: int = 0) -> tuple[int, Any, World]:
    """Publish two ticks before and two after a principal is another; gives status and answer."""
    door = Door()
    world = World(authority=door)

    async def ask() -> bytes:
        token, chunked = "Authorization: Bearer x", "Transfer-Encoding: chunked"
        head = request("/v1/ticks", NDJSON, token, chunked, "Connection: close", method="POST")
        async with serving(world) as port, peer(port, head) as own:
            own.writer.write(chunk(TRADE, TRADE))
            await eventually(lambda: world.hub.metrics.ticks_in == 2)
            door.principal = principal
            world.clock.wall_ns = at_s * NS
            own.writer.write(chunk(TRADE) + chunk(TRADE) + b"0\r\n\r\n")
            return await own.rest()

    head, _, told = asyncio.run(ask()).partition(b"\r\n\r\n")
    assert door.read == 1
    return int(head.split()[1]), orjson.loads(told), world


@pytest.mark.parametrize(
    ("principal", "at_s", "status", "code", "why"),
    [
        (None, 0, 401, "unauthenticated", "the key was revoked"),
        (DESK, 1_000, 401, "unauthenticated", "the token has expired"),
        (MUTE, 0, 403, "not_entitled", "desk may not publish on this feed"),
    ],
)
def test_who_may_not_publish_any_more_is_refused_though_the_request_goes_on(
    principal: Principal | None, at_s: int, status: int, code: str, why: str
) -> None:
    found, told, world = change_meanwhile(principal, at_s)
    assert (found, told["code"]) == (status, code)
    assert told["message"] == f"{why}, the first 2 ticks were published"
    assert world.hub.metrics.ticks_in == 2


def test_symbols_that_are_taken_away_while_a_request_goes_on_are_rejected() -> None:
    status, told, _ = change_meanwhile(replace(DESK, publish=SymbolSet(["B"])))
    assert (status, told["seqs"]) == (200, [1, 2, None, None])
    assert {own["code"] for own in told["rejected"]} == {"not_entitled"}


def test_who_may_go_on_publishes_to_the_end() -> None:
    status, told, _ = change_meanwhile(DESK, 999)
    assert (status, told["seqs"]) == (200, [1, 2, 3, 4])
