from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, parse_request_start_line

from feed.server.plain import read_head
from tests.server.local import handshake, request


def test_a_plain_handshake_is_read_up_to_its_end() -> None:
    data = handshake("/v1/stream?batch=1&token=a.b-c_d~")
    head = read_head(data + b"\x81\x80")
    assert head is not None
    assert head.size == len(data)
    assert head.start_line == ("GET", "/v1/stream?batch=1&token=a.b-c_d~", "HTTP/1.1")
    assert head.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        handshake()[:-1],
        b"\r\n" + handshake(),
        handshake().replace(b"\r\n", b"\n"),
        handshake("/v1/other"),
        handshake("/v1/stream?a=%20"),
        handshake("/v1/stream?a=+"),
        request("/", method="HEAD"),
        handshake().replace(b"HTTP/1.1", b"HTTP/1.0"),
        request("/", "Upgrade: websocket", "upgrade: websocket"),
        request("/", "Empty:"),
        request("/", "Blank: "),
        request("/", "Trailing: a "),
        request("/", " Folded: a"),
        request("/", "Name : a"),
        request("/", "Odd_Name: a"),
        request("/", "Tab: a\tb"),
        request("/", "Beyond: \xe9"),
        request("/", "Content-Length: 0"),
        request("/", "transfer-encoding: chunked"),
        request("/", "Expect: 100-continue"),
    ],
)
def test_what_is_not_plain_is_left_alone(data: bytes) -> None:
    assert read_head(data) is None


PIECES = st.sampled_from(
    [b"\r\n", b"\n", b" ", b"\t", b":", b",", b"a", b"Host: a", b"X: y\r\n", b"\x00", b"\xff", b"%"]
)


@given(st.integers(0, 150), st.integers(0, 20), PIECES)
def test_what_is_read_here_tornado_reads_likewise(at: int, cut: int, piece: bytes) -> None:
    whole = handshake("/v1/stream?batch=1")
    data = whole[:at] + piece + whole[at + cut :]
    head = read_head(data)
    if head is None:
        return
    first, _, rest = data[: head.size].decode("latin-1").partition("\r\n")
    assert head.start_line == parse_request_start_line(first)
    assert list(head.headers.get_all()) == list(HTTPHeaders.parse(rest).get_all())
