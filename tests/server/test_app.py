from __future__ import annotations

import asyncio
import gc
import logging
import re
import socket
from importlib.resources import files
from typing import Any

import orjson
import pytest
from tornado.routing import PathMatches, Rule

from feed.errors import ListenError
from feed.logs import ACCESS
from feed.server.app import FaviconHandler, application, bind
from feed.server.entrance import Entrance
from feed.server.gate import Gate
from feed.server.pages import ChartsHandler, FileHandler, RootHandler
from feed.server.rest import METHODS, ApiHandler, UnknownHandler
from feed.server.turn import Turn
from feed.server.websocket import StreamHandler
from tests.fakes import World
from tests.server.local import answer, peer, request, serving


def asked(first: bytes) -> tuple[str, bytes]:
    async def ask() -> tuple[str, bytes]:
        async with serving(World()) as port:
            return await answer(port, first)

    return asyncio.run(ask())


NOT_FOR_PROGRAMS = {RootHandler, FileHandler, ChartsHandler, FaviconHandler, StreamHandler}
"""The page, what belongs to it, and the stream, which is docs/PROTOCOL.md's."""


def routes() -> list[tuple[re.Pattern[str], type]]:
    """Give every address that has an answer of its own, and who gives it."""

    async def build() -> list[Rule]:
        entrance = Entrance(World().registry, Turn(asyncio.get_running_loop()), Gate())
        return list(application(entrance).wildcard_router.rules)

    found = [(own.matcher, own.target) for own in asyncio.run(build())]
    return [
        (matcher.regex, target)
        for matcher, target in found
        if isinstance(matcher, PathMatches) and target is not UnknownHandler
    ]


DOCUMENT: dict[str, Any]
DOCUMENT = orjson.loads((files("feed.server") / "openapi.json").read_bytes())["paths"]


def handlers(path: str) -> list[type]:
    """Give who answers an address of the document."""
    asked = re.sub(r"\{\w+\}", "a", path)
    return [handler for pattern, handler in routes() if pattern.fullmatch(asked)]


def test_every_address_for_programs_is_in_the_document() -> None:
    ours = {handler for _, handler in routes()} - NOT_FOR_PROGRAMS
    assert ours == {handler for path in DOCUMENT for handler in handlers(path)}


@pytest.mark.parametrize("path", DOCUMENT)
def test_the_document_has_the_methods_and_parameters_that_an_address_takes(path: str) -> None:
    [handler] = handlers(path)
    assert issubclass(handler, ApiHandler)
    assert set(DOCUMENT[path]) == {own for own in METHODS if own in vars(handler)}
    for method in DOCUMENT[path].values():
        given = method.get("parameters", [])
        names = {own.get("name") or own["$ref"].rpartition("/")[2] for own in given}
        assert names - set(re.findall(r"\{(\w+)\}", path)) == set(handler.parameters)


@pytest.mark.parametrize("path", ["/nosuch", "/v1", "/page.html", "/../../setup.cfg"])
def test_another_path_is_told_the_right_ones_in_one_line(path: str) -> None:
    head, body = asked(request(path))
    assert head.startswith("HTTP/1.1 404 ")
    assert body == b"not found: the page is at / and the stream at /v1/stream\n"


@pytest.mark.parametrize("path", ["/", "/nosuch", "/healthz", "/v1/stream", "/v1/nosuch"])
@pytest.mark.parametrize("method", ["GET", "TRACE"])
def test_no_answer_tells_what_program_made_it(path: str, method: str) -> None:
    head, _ = asked(request(path, method=method))
    assert "\r\nServer:" not in head


def test_a_favicon_is_pointed_to_the_icon() -> None:
    head, _ = asked(request("/favicon.ico"))
    assert head.startswith("HTTP/1.1 301 ")
    assert "\r\nLocation: /feed.svg\r\n" in head


def test_headers_without_end_are_not_read_for_ever() -> None:
    async def ask() -> bytes:
        async with serving(World()) as port, peer(port, request("/", "X: " + "x" * 20_000)) as own:
            return await own.rest()

    assert b"200 OK" not in asyncio.run(ask())


def test_a_request_is_one_line_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, ACCESS)
    asked(request("/nosuch?" + "x" * 100))
    (line,) = [own for own in caplog.records if own.name == ACCESS]
    assert line.getMessage().startswith("404 GET /nosuch from 127.0.0.1 in ")
    assert vars(line)["status"] == 404


def test_a_request_is_no_line_where_that_is_not_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, ACCESS)
    asked(request("/nosuch"))
    assert caplog.records == []


def refusal(host: str, port: int) -> str:
    """Give why an address cannot be had; Tornado leaves what it tried to the collector."""
    with pytest.raises(ListenError) as caught:
        bind(host, port, 65_536)
    return str(caught.value)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_port_in_use_is_an_error_that_names_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = refusal("127.0.0.1", port)
    gc.collect()
    reason = "address already in use (choose another with --port)"
    assert told == f"cannot listen on 127.0.0.1:{port}: {reason}"


@pytest.mark.parametrize("host", ["..", "x" * 300, "no such host", "256.1.1.1"])
def test_a_host_that_is_none_is_an_error_in_one_line(host: str) -> None:
    told = refusal(host, 0)
    assert told.startswith(f"cannot listen on {host}:0: ")
    assert "\n" not in told


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux doubles what is asked for")
def test_accepted_sockets_inherit_the_bound_on_their_send_buffer() -> None:
    [listening] = bind("127.0.0.1", 0, 65_536)
    with listening, socket.create_connection(listening.getsockname()):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 65_536
