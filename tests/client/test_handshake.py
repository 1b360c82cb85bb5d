from __future__ import annotations

import pytest

from feed.client.handshake import (
    HandshakeRefused,
    accept_of,
    check_answer,
    is_http,
    new_key,
    read_url,
    request,
)
from feed.errors import ConnectionFailed, SettingError

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
GOOD = (
    "HTTP/1.1 101 Switching Protocols\r\nUPGRADE: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    f"Sec-WebSocket-Accept: {ACCEPT}"
)


def test_the_accept_is_that_of_the_rfc() -> None:
    assert accept_of(KEY) == ACCEPT


def test_keys_are_random_and_16_bytes_long() -> None:
    assert new_key() != new_key()
    assert len(new_key()) == 24


@pytest.mark.parametrize(
    ("url", "host", "port", "secure", "target"),
    [
        ("ws://127.0.0.1:8080", "127.0.0.1", 8080, False, "/?batch=1"),
        ("ws://127.0.0.1:8080/", "127.0.0.1", 8080, False, "/?batch=1"),
        ("ws://h/v1/stream", "h", 80, False, "/v1/stream?batch=1"),
        ("wss://h?token=a%20b&batch=0", "h", 443, True, "/?token=a+b&batch=1"),
        ("ws://[::1]:9", "::1", 9, False, "/?batch=1"),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, secure: bool, target: str) -> None:
    address = read_url(url)
    assert (address.host, address.port, address.secure) == (host, port, secure)
    assert address.target == target


def test_a_token_in_the_url_is_not_shown() -> None:
    assert read_url("ws://me:secret@h:1/x?token=secret").shown == "ws://h:1/x"


def test_single_ticks_can_be_asked_for() -> None:
    assert read_url("ws://h/?batch=1", batch=False).target == "/?batch=0"


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "http://h", "ws://", "ws://h:99999", "ws://h\r\nX: y", "ws://[::1"],
)
def test_a_url_that_is_none_of_a_websocket_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match=r"^url must be like ws://127\.0\.0\.1:8080, was "):
        read_url(url)


def test_the_request_offers_no_extension() -> None:
    head = request(read_url("ws://h:1"), KEY).decode()
    assert head.startswith("GET /?batch=1 HTTP/1.1\r\nHost: h:1\r\n")
    assert head.endswith("\r\n\r\n")
    assert "extensions" not in head.lower()


def test_a_good_answer_passes() -> None:
    check_answer(read_url("ws://h"), KEY, GOOD.encode())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("HTTP/1.1 404 Not Found\r\nX: y", "the server answered HTTP 404 Not Found"),
        ("HTTP/1.1 503", "the server answered HTTP 503"),
        ("SSH-2.0-OpenSSH", "not a WebSocket server"),
        (GOOD.replace(ACCEPT, "x"), "its handshake is wrong"),
        (GOOD.replace("keep-alive, Upgrade", "close"), "its handshake is wrong"),
        (GOOD + "\r\nSec-WebSocket-Extensions: permessage-deflate", "not offered"),
    ],
)
def test_a_bad_answer_says_what_is_wrong(answer: str, said: str) -> None:
    with pytest.raises(ConnectionFailed, match=r"^cannot connect to ws://h: ") as caught:
        check_answer(read_url("ws://h"), KEY, answer.encode())
    assert said in str(caught.value)


def test_a_refusal_keeps_the_status() -> None:
    with pytest.raises(HandshakeRefused) as caught:
        check_answer(read_url("ws://h"), KEY, b"HTTP/1.1 403 Forbidden")
    assert caught.value.status == 403


@pytest.mark.parametrize(("head", "can_be"), [(b"", True), (b"HTT", True), (b"SSH-", False)])
def test_the_first_bytes_tell_whether_it_can_be_http(head: bytes, can_be: bool) -> None:
    assert is_http(head) is can_be
