from __future__ import annotations

import asyncio

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from feed.server.gate import Gate
from feed.server.policy import Policy
from tests.fakes import World
from tests.server.local import answer, handshake, request, serving


def judged(
    host: str | None = "localhost:8080",
    origin: str | None = None,
    policy: Policy | None = None,
    *,
    method: str = "GET",
    version: str = "HTTP/1.1",
    site: str = "",
) -> int:
    """Give the status of a refusal, or 0."""
    headers = HTTPHeaders()
    for name, value in (("Host", host), ("Origin", origin), ("Sec-Fetch-Site", site or None)):
        if value is not None:
            headers.add(name, value)
    line = RequestStartLine(method, "/", version)
    refused = (policy or Policy()).refusal(HTTPServerRequest(start_line=line, headers=headers))
    return refused[0] if refused else 0


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:80", "127.9.9.9", "[::1]:8080"]
)
def test_loopback_names_are_ours(host: str) -> None:
    assert judged(host) == 0


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", "[::2]"]
)
def test_another_host_is_refused_also_when_the_origin_is_the_same(host: str) -> None:
    assert judged(host) == 403
    assert judged(host, f"http://{host}") == 403


@pytest.mark.parametrize("host", ["", "localhost:", "localhost:99999", "[::1", "[]", "a..b:x"])
def test_a_host_that_is_none_is_a_bad_request(host: str) -> None:
    assert judged(host) == 400


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:8080", "http://localhost:3000", "https://127.0.0.1", "HTTP://[::1]:9"],
)
def test_pages_of_this_machine_may_ask(origin: str) -> None:
    assert judged(origin=origin) == 0


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "null",
            "",
            "http://",
            "evil.example",
            "http://evil.example",
            "file://",
            "http://a b",
        ),
        *("http://localhost.evil.example", "http://evil.example#localhost", "http://localhost/x"),
        *(
            "http://localhost@evil.example",
            "http://[",
            "http://localhost:x",
            "ws://localhost",
            "\xe9",
        ),
        *("http://localhost, http://evil.example", "javascript:0", "http://" + "a" * 5000),
    ],
)
def test_other_origins_and_malformed_ones_get_403(origin: str) -> None:
    assert judged(origin=origin) == 403


def test_the_page_of_the_same_host_may_ask_and_of_another_port_may_not() -> None:
    policy = Policy(["feed.example"])
    assert judged("feed.example", "https://feed.example", policy) == 0
    assert judged("feed.example:8080", "http://FEED.example:8080", policy) == 0
    assert judged("feed.example", "http://feed.example:80", policy) == 0
    assert judged("feed.example:8080", "http://feed.example:9090", policy) == 403
    assert judged("feed.example", "https://www.feed.example", policy) == 403


def test_hosts_and_origins_can_be_listed() -> None:
    policy = Policy(["feed.example"], ["https://app.example"])
    assert judged("feed.example", "https://app.example", policy) == 0
    assert judged("feed.example", "http://app.example", policy) == 403
    assert judged("other.example", None, policy) == 403
    assert judged("other.example", "null", Policy(["*"], ["*"])) == 0


def test_without_a_host_only_what_no_browser_speaks_is_taken() -> None:
    headers, line = HTTPHeaders(), RequestStartLine("GET", "/healthz", "HTTP/1.0")
    own = HTTPServerRequest(start_line=line, headers=headers)
    assert Policy().refusal(own) is None


def test_a_change_that_a_foreign_page_asks_for_without_its_origin_is_refused() -> None:
    assert judged(method="POST", site="cross-site") == 403
    assert judged(method="POST", site="same-site") == 403
    assert judged(method="POST", site="same-origin") == 0
    assert judged(method="POST") == 0
    assert judged(site="cross-site") == 0  # a link may lead here


@pytest.mark.parametrize("path", ["/", "/v1/stream", "/v1/symbols", "/healthz", "/nosuch"])
def test_every_address_is_guarded_and_a_refusal_is_counted(path: str) -> None:
    world = World()

    async def ask() -> list[int]:
        async with serving(world, gate=Gate()) as port:
            heads = []
            for header in ("Origin: null", "Origin: http://evil.example", "Accept: */*"):
                first = request(path, header)
                if header.startswith("Accept"):
                    first = first.replace(b"Host: localhost", b"Host: evil.example")
                heads.append(await answer(port, first))
            return [int(head.split()[1]) for head, _ in heads]

    assert asyncio.run(ask()) == [403, 403, 403]
    assert world.hub.metrics.refusals == {"origin_refused": 2, "host_refused": 1}


def test_the_address_that_was_connected_to_is_ours() -> None:
    async def ask() -> str:
        async with serving(World(), gate=Gate()) as port:
            own = handshake("/healthz").replace(b"Host: localhost", b"Host: 127.0.0.1:%d" % port)
            return (await answer(port, own))[0]

    assert asyncio.run(ask()).startswith("HTTP/1.1 200 ")
