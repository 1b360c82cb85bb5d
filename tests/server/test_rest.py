from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from feed.server import rest
from tests.fakes import World
from tests.server.local import answer, peer, request, serving


def asked(path: str, method: str = "GET", world: World | None = None) -> tuple[str, Any]:
    async def ask() -> tuple[str, bytes]:
        async with serving(world or World()) as port:
            return await answer(port, request(path, method=method))

    head, body = asyncio.run(ask())
    return head, orjson.loads(body)


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/v1/nosuch", "GET", 404, rest.NOT_FOUND),
        ("/v1/symbols", "DELETE", 405, rest.BAD_METHOD),
        ("/v1/symbols", "TRACE", 405, rest.BAD_METHOD),
        ("/v1/symbols?filer=A", "GET", 400, rest.BAD_PARAMETER),
        ("/v1/symbols?filter=A&filter=B", "GET", 400, rest.BAD_PARAMETER),
        ("/v1/symbols?limit=0", "GET", 400, rest.BAD_PARAMETER),
        ("/v1/symbols?filter=%ff", "GET", 400, rest.BAD_PARAMETER),
    ],
)
def test_a_mistake_is_told_as_the_stream_tells_it(
    path: str, method: str, status: int, code: str
) -> None:
    head, body = asked(path, method)
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert "Content-Type: application/json" in head
    assert (body["type"], body["code"]) == ("error", code)
    assert body["message"]
    assert ("Allow: GET" in head) == (status == 405)


def test_head_is_answered_without_a_body() -> None:
    async def ask() -> bytes:
        async with serving(World()) as port:
            first = request("/v1/symbols", "Connection: close", method="HEAD")
            async with peer(port, first) as own:
                return await own.rest()

    head, _, body = asyncio.run(ask()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: 27" in head
    assert body == b""


def test_a_mistake_names_the_value_and_what_is_allowed() -> None:
    _, body = asked("/v1/symbols?limit=many")
    assert body["message"] == "limit must be an integer from 1 to 100000, was 'many'"


def test_a_mistake_of_ours_is_told_without_details(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    monkeypatch.setattr(world.hub, "index", None)
    head, body = asked("/v1/symbols", world=world)
    assert head.startswith("HTTP/1.1 500 ")
    assert body["message"] == "internal error, see the log of the feed"
    assert "symbols" in caplog.text


NS = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("-5", -5),
        ("20260105", 20_260_105),
        ("1970-01-01T00:00:01Z", NS),
        ("1970-01-01T00:00:01.123456789Z", NS + 123_456_789),
        ("1970-01-01T00:00:01.1234567", NS + 123_456_700),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T01:00:00 01:00", 0),
        ("1970-01-01 00:00:02", 2 * NS),
        ("1970-01-02", 86_400 * NS),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140 * NS),
    ],
)
def test_a_time_is_iso_8601_or_nanoseconds(text: str, ns: int) -> None:
    assert rest.time_ns(text) == ns


@pytest.mark.parametrize(
    "text", ["", "now", "1.5", "1e9", "9" * 20, str(2**63), "2026-13-01", "12:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be ISO 8601 or integer nanoseconds"):
        rest.time_ns(text)


@pytest.mark.parametrize("text", ["", "m", "0m", "1", "1M", "1y", "1m "])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number and"):
        rest.interval(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (rest.symbol, "A B"),
        (rest.channel, "quote"),
        (rest.whole(1, 5), "6"),
        (rest.whole(1, 5), "٣"),
        (rest.whole(1, 5), "1.0"),
    ],
)
def test_a_value_out_of_range_is_refused(parse: rest.Parse, text: str) -> None:
    with pytest.raises(ValueError, match="must be "):
        parse(text)
