from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import orjson
import pytest

from feed.server import reads
from feed.server.slots import Slots
from feed.sessions.entitlements import Principal
from feed.symbols import ALL_SYMBOLS, SymbolSet
from tests.fakes import World, quote, trade
from tests.server.local import Peer, answer, eventually, peer, request, serving


def with_market(kept: int = 4096) -> World:
    world = World(frozenset({"A", "AB", "B", "BTC/USD"}), journal_ticks_per_stream=kept)
    world.publish(*(quote("A") for _ in range(5)), trade("A"), quote("B"), quote("BTC/USD"))
    return world


def raw(world: World, path: str, *headers: str) -> tuple[str, bytes]:
    async def ask() -> tuple[str, bytes]:
        async with serving(world) as port:
            return await answer(port, request(path, *headers))

    return asyncio.run(ask())


def got(world: World, path: str, *headers: str) -> tuple[int, Any]:
    head, body = raw(world, path, *headers)
    return int(head.split()[1]), orjson.loads(body)


def restricted(**rights: Any) -> World:
    world = with_market()
    world.registry.authority.anonymous = Principal("anonymous", **rights)
    return world


@pytest.mark.parametrize(
    ("query", "symbols", "after"),
    [
        ("", ["A", "AB", "B", "BTC/USD"], None),
        ("?filter=b", ["AB", "B", "BTC/USD"], None),
        ("?filter=b*", ["B", "BTC/USD"], None),
        ("?limit=2", ["A", "AB"], "B"),
        ("?limit=2&next=B", ["B", "BTC/USD"], None),
        ("?filter=nosuch", [], None),
    ],
)
def test_symbols_are_listed_in_order(query: str, symbols: list[str], after: str | None) -> None:
    assert got(with_market(), f"/v1/symbols{query}") == (200, {"symbols": symbols, "next": after})


def test_symbols_are_only_those_of_the_principal() -> None:
    world = restricted(subscribe=SymbolSet(["A*"]))
    assert got(world, "/v1/symbols")[1]["symbols"] == ["A", "AB"]


def test_snapshots_come_with_what_is_none() -> None:
    status, found = got(with_market(), "/v1/snapshot?symbols=A,NOPE,AB,A")
    assert status == 200
    assert [own["symbol"] for own in found["snapshots"]] == ["A", "AB"]
    assert found["snapshots"][0]["quote"]["seq"] == 5
    assert [(own["symbol"], own["code"]) for own in found["rejected"]] == [
        ("NOPE", "unknown_symbol")
    ]


@pytest.mark.parametrize(
    "query", ["", "?symbols=", "?symbols=,", "?symbols=A*", "?symbols=A,%C3%B5"]
)
def test_a_snapshot_needs_names(query: str) -> None:
    status, found = got(with_market(), f"/v1/snapshot{query}")
    assert (status, found["code"]) == (400, "bad_parameter")


def test_a_snapshot_has_only_the_channels_of_the_principal() -> None:
    world = restricted(subscribe=SymbolSet(["*"]), channels=frozenset({"trades"}))
    (found,) = got(world, "/v1/snapshot?symbols=A")[1]["snapshots"]
    assert (found["seqs"], "quote" in found, "trade" in found) == ({"trades": 1}, False, True)


def test_ticks_come_in_pages() -> None:
    world = with_market()
    epoch = world.registry.epoch
    status, found = got(world, f"/v1/ticks/A?next={epoch}:2&limit=2")
    assert (status, found["next"]) == (200, f"{epoch}:4")
    assert [own["seq"] for own in found["ticks"]] == [2, 3]


def test_a_page_links_to_the_next_one_in_every_format() -> None:
    world = with_market()
    head, _ = raw(world, "/v1/ticks/A?from=0&limit=2&format=csv")
    (link,) = [own for own in head.split("\r\n") if own.startswith("Link: ")]
    address = link.partition("<")[2].partition(">")[0]
    assert urlsplit(address).path == "/v1/ticks/A"
    assert raw(world, address)[1].splitlines()[1].startswith(b"A,3,")


@pytest.mark.parametrize("path", ["/v1/ticks/BTC/USD", "/v1/ticks/BTC%2FUSD"])
def test_a_symbol_may_have_a_slash(path: str) -> None:
    status, found = got(with_market(), path)
    assert (status, found["symbol"], len(found["ticks"])) == (200, "BTC/USD", 1)


def test_bars_are_those_of_one_interval() -> None:
    status, found = got(with_market(), "/v1/bars/A")
    assert (status, found["channel"], found["interval"]) == (200, "bars", "1m")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/ticks/NOPE", 404, "unknown_symbol"),
        ("/v1/ticks/A%20B", 400, "bad_symbol"),
        ("/v1/ticks/A*", 400, "bad_symbol"),
        ("/v1/ticks/*", 400, "bad_symbol"),
        ("/v1/ticks/A?format=xml", 400, "bad_parameter"),
        ("/v1/ticks/A?next=5", 400, "bad_parameter"),
        ("/v1/bars/A?channel=bars", 400, "bad_parameter"),
    ],
)
def test_what_cannot_be_answered_says_why(path: str, status: int, code: str) -> None:
    found = got(with_market(), path)
    assert (found[0], found[1]["code"]) == (status, code)


def test_a_symbol_that_is_not_ones_own_is_as_unknown_as_one_that_is_not_there() -> None:
    world = restricted(subscribe=SymbolSet(["B"]))
    forbidden, missing = got(world, "/v1/ticks/A"), got(world, "/v1/ticks/C")
    assert forbidden[0] == missing[0] == 404
    assert forbidden[1]["message"].replace("A", "C") == missing[1]["message"]


def test_a_delayed_principal_gets_the_log_of_then() -> None:
    world = restricted(subscribe=SymbolSet(["*"]), delay_s=10)
    assert got(world, "/v1/ticks/A")[1]["ticks"] == []
    (snapshot,) = got(world, "/v1/snapshot?symbols=A")[1]["snapshots"]
    assert snapshot["seqs"] == {"quotes": 0, "trades": 0, "bars": 0, "status": 0}
    world.clock.wall_ns += 10_000_000_000
    assert len(got(world, "/v1/ticks/A")[1]["ticks"]) == 5
    world.publish(quote("A"), trade("A"))
    world.registry.tiers.catch_up()
    (snapshot,) = got(world, "/v1/snapshot?symbols=A")[1]["snapshots"]
    assert (snapshot["quote"]["seq"], snapshot["trade"]["seq"]) == (5, 1)
    assert snapshot["session"]["volume"] == 100


def test_an_answer_that_is_known_already_is_not_sent_again() -> None:
    world = with_market()
    head, _ = raw(world, "/v1/ticks/A")
    etag = head.partition("Etag: ")[2].partition("\r\n")[0]
    assert "private, no-cache" in head
    again, body = raw(world, "/v1/ticks/A", f"If-None-Match: {etag}")
    assert (again.split()[1], body) == ("304", b"")
    world.publish(quote("A"))
    assert raw(world, "/v1/ticks/A", f"If-None-Match: {etag}")[0].split()[1] == "200"


def test_no_format_that_is_accepted_is_an_error() -> None:
    status, found = got(with_market(), "/v1/ticks/A", "Accept: text/html")
    assert (status, found["code"]) == (406, "not_acceptable")


def test_a_format_whose_library_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    status, found = got(with_market(), "/v1/ticks/A?format=parquet")
    assert (status, found["code"]) == (406, "not_acceptable")
    assert "feed[tapes]" in found["message"]


def test_too_many_readers_at_a_time_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads.LogHandler, "slots", Slots(0, 0))
    head, body = raw(with_market(), "/v1/ticks/A")
    assert head.startswith("HTTP/1.1 503 ")
    assert "Retry-After: 1" in head
    assert orjson.loads(body)["code"] == "busy"


@pytest.mark.parametrize("path", ["/v1/symbols", "/v1/snapshot?symbols=A,B"])
def test_many_who_ask_for_much_are_answered_one_after_the_other(path: str) -> None:
    world, working, most = with_market(), 0, 0

    async def counted(seconds: float) -> None:
        nonlocal working, most
        working += 1
        most = max(most, working)
        await asyncio.sleep(seconds)
        working -= 1

    async def ask() -> list[tuple[str, bytes]]:
        async with serving(world) as port:
            with patch.object(
                reads, "asyncio", SimpleNamespace(sleep=counted, timeout=asyncio.timeout)
            ):
                return await asyncio.gather(*(answer(port, request(path)) for _ in range(5)))

    answers = asyncio.run(ask())
    assert all(head.startswith("HTTP/1.1 200 ") for head, _ in answers)
    assert most == 1


def test_the_document_is_served() -> None:
    status, found = got(with_market(), "/v1/openapi.json")
    assert (status, found["openapi"]) == (200, "3.1.0")


LONG = "/v1/ticks/A?limit=100000&from=0&format=ndjson"


def long_market(ticks: int) -> World:
    world = World(journal_ticks_per_stream=ticks)
    for _ in range(ticks // 1_000):
        world.publish(*(quote("A") for _ in range(1_000)))
    return world


def streaming(ticks: int, test: Callable[[Peer], Awaitable[None]]) -> None:
    async def run() -> None:
        async with serving(long_market(ticks)) as port, peer(port, request(LONG)) as own:
            await test(own)
            await own.close()
            await eventually(lambda: not reads.LogHandler.slots.taken)

    asyncio.run(run())


def test_a_long_page_is_streamed_in_chunks() -> None:
    async def read(own: Peer) -> None:
        assert "Transfer-Encoding: chunked" in await own.head()
        body = await own.until(b"\r\n0\r\n\r\n")
        assert body.count(b'"type":"quote"') == 5_000

    streaming(5_000, read)


@pytest.mark.parametrize("limit", ["STALLED_S", "PAGE_S"])
def test_a_reader_that_stops_is_waited_for_and_then_given_up(
    limit: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reads, limit, 0.05)
    caplog.set_level("INFO")

    async def read(own: Peer) -> None:
        await own.head()
        await eventually(lambda: not reads.LogHandler.slots.taken)
        assert not (await own.rest()).endswith(b"\r\n0\r\n\r\n"), "it must not look whole"

    streaming(100_000, read)
    assert "gave up a reader" in caplog.text
    assert "Traceback" not in caplog.text


def test_one_who_reads_slowly_keeps_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads.LogHandler, "slots", Slots(2, 1))

    async def run() -> tuple[str, bytes, str]:
        world = long_market(100_000)
        async with serving(world) as port, peer(port, request(LONG)) as slow:
            await slow.head()
            again, told = await answer(port, request("/v1/ticks/A"))
            world.registry.authority.anonymous = Principal("desk", subscribe=ALL_SYMBOLS)
            other, _ = await answer(port, request("/v1/ticks/A"))
            await slow.close()
            await eventually(lambda: not reads.LogHandler.slots.taken)
            return again, told, other

    again, told, other = asyncio.run(run())
    assert again.startswith("HTTP/1.1 503 ")
    assert orjson.loads(told)["message"] == "1 pages are on their way to you, try again"
    assert other.startswith("HTTP/1.1 200 ")


def test_a_reader_that_leaves_ends_the_page() -> None:
    async def read(own: Peer) -> None:
        await own.head()
        assert reads.LogHandler.slots.taken.total() == 1

    streaming(100_000, read)
