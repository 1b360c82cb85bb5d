from __future__ import annotations

import asyncio
import re

import pytest

from feed.server import charts
from feed.server.pages import POLICY, TYPES, WEB
from tests.fakes import World
from tests.server.local import answer, handshake, peer, request, serving


def asked(path: str, *headers: str) -> tuple[str, bytes]:
    async def ask() -> tuple[str, bytes]:
        async with serving(World()) as port:
            return await answer(port, request(path, *headers))

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/", "index.html"),
        ("/page.js", "page.js"),
        ("/page.css", "page.css"),
        ("/feed.svg", "feed.svg"),
    ],
)
def test_a_browser_gets_the_files_with_their_type_and_a_strict_policy(path: str, file: str) -> None:
    head, body = asked(path)
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert f"\r\nContent-Type: {TYPES[file[file.index('.') :]]}\r\n" in head
    assert f"\r\nContent-Security-Policy: {POLICY}\r\n" in head
    assert "\r\nX-Content-Type-Options: nosniff\r\n" in head
    assert body == (WEB / file).read_bytes()


def test_the_policy_forbids_what_it_does_not_name() -> None:
    assert POLICY.startswith("default-src 'none';")
    assert "unsafe" not in POLICY


def test_every_file_of_the_web_folder_is_served() -> None:
    names = {own.name for own in WEB.iterdir() if not own.name.startswith("__")}
    for name in names - {"index.html"}:
        head, _ = asked(f"/{name}")
        assert head.startswith("HTTP/1.1 200 "), name


def test_a_browser_asks_each_time_and_is_sent_only_what_has_changed() -> None:
    head, _ = asked("/page.js")
    assert "\r\nCache-Control: no-cache\r\n" in head
    (etag,) = re.findall(r"\r\nEtag: (\S+)\r\n", head)
    again, body = asked("/page.js", f"If-None-Match: {etag}")
    assert again.startswith("HTTP/1.1 304 ")
    assert body == b""


@pytest.mark.parametrize("path", ["/", "/feed.js", "/lightweight-charts.js"])
def test_the_head_alone_may_be_asked_for(path: str) -> None:
    async def ask() -> tuple[str, bytes]:
        whole = request(path, "Connection: close", method="HEAD")
        async with serving(World()) as port, peer(port, whole) as own:
            return await own.head(), await own.rest()

    head, body = asyncio.run(ask())
    assert head.startswith(("HTTP/1.1 200 ", "HTTP/1.1 404 "))
    assert body == b""


def test_pages_of_any_origin_may_import_the_files_and_not_the_page() -> None:
    allowed = "\r\nAccess-Control-Allow-Origin: *\r\n"
    assert allowed in asked("/feed.js")[0]
    assert allowed not in asked("/")[0]


@pytest.mark.parametrize("path", ["/none.js", "/pages.py", "/../pages.py", "/__init__.py"])
def test_there_is_nothing_else(path: str) -> None:
    head, body = asked(path)
    assert head.startswith("HTTP/1.1 404 ")
    assert b"<" not in body


def test_without_the_chart_library_its_address_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> bytes:
        raise charts.NoCharts("install it")

    monkeypatch.setattr(charts, "library", missing)
    head, body = asked("/lightweight-charts.js")
    assert head.startswith("HTTP/1.1 404 ")
    assert body == b"install it\n"


def test_the_same_address_is_a_stream_for_a_websocket_client() -> None:
    async def ask() -> bytes:
        async with serving(World()) as port, peer(port, handshake("/")) as own:
            assert (await own.head()).startswith("HTTP/1.1 101 ")
            return await own.until(b"}")

    assert b'{"type":"welcome","protocol":1,' in asyncio.run(ask())


def test_another_upgrade_is_refused() -> None:
    head, body = asked("/", "Upgrade: h2c", "Connection: Upgrade")
    assert head.startswith("HTTP/1.1 426 ")
    assert body == b"bad_handshake: this address speaks WebSocket: send Upgrade: websocket\n"
