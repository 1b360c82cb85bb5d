from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from feed.server.entrance import refusal
from tests.server.local import KEY

GOOD = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def asked(headers: dict[str, str], version: str = "HTTP/1.1", method: str = "GET") -> object:
    line = RequestStartLine(method, "/", version)
    request = HTTPServerRequest(headers=HTTPHeaders(headers), start_line=line)
    refused = refusal(request)
    return refused and refused[0]


def test_a_proper_handshake_is_not_refused() -> None:
    assert asked(GOOD) is None
    assert asked(GOOD | {"Upgrade": "WebSocket", "Connection": "upgrade"}) is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": ""}, 426),
        ({"Sec-WebSocket-Key": ""}, 400),
        ({"Sec-WebSocket-Key": "AAAA"}, 400),
        ({"Sec-WebSocket-Key": f"!{KEY}"}, 400),
        ({"Sec-WebSocket-Key": "not base64 at all!!!!!!!"}, 400),
        ({"Sec-WebSocket-Key": "\xe9" * 24}, 400),
    ],
)
def test_an_improper_handshake_is_refused_with_its_status(
    change: dict[str, str], status: int
) -> None:
    assert asked(GOOD | change) == status


def test_http_1_0_and_other_methods_are_refused() -> None:
    assert asked(GOOD, version="HTTP/1.0") == 400
    assert asked(GOOD, method="POST") == 400
