"""Nonsense gets one typed error each, and the connection stays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.integration.running import Feed, client, serving

COUNT = 200

WITHOUT_ID: list[str | bytes] = [
    "",
    "garbage",
    "{",
    "[]",
    "null",
    "17",
    '"subscribe"',
    "NaN",
    '{"type":"ping","id":NaN}',
    '{"type":"ping","id":-Infinity}',
    '{"type":"ping","id":1e999}',
    '{"type":"ping","id":1.5}',
    '{"type":"ping","id":true}',
    '{"type":"ping","id":123456789012345678901234567890}',
    '{"type":"ping","id":"' + "x" * 65 + '"}',
    '{"type":"ping","id":"\\ud800"}',
    '{"type":"ping","id":"\\ud83d\\ud83d"}',
    "[" * 5_000,
    '{"a":' * 2_000 + "1" + "}" * 2_000,
    '[{"type":"ping"}]',
    '{"type":"ping"}{"type":"ping"}',
    b'{"type":"ping","id":"\xff"}',
    b'{"type":"publish","ticks":[{"type":"status","symbol":"A","status":"\xff"}]}',
    b"\x00\x01\x02\xfe\xff",
    b"\xed\xa0\x80",
    "\N{BYTE ORDER MARK}{}",
    "\x00",
    '{"type":"ping","id":' + "9" * 10_000 + "}",
]

WITH_ID = [
    '"type":"nosuch"',
    '"type":"SUBSCRIBE"',
    '"type":"welcome"',
    '"type":7',
    '"type":null',
    '"type":["subscribe"]',
    '"type":{"type":"ping"}',
    '"type":""',
    '"symbols":["AAA"]',
    '"type":"subscribe"',
    '"type":"subscribe","symbols":"AAA"',
    '"type":"subscribe","symbols":{"AAA":1}',
    '"type":"subscribe","symbols":[1]',
    '"type":"subscribe","symbols":[null]',
    '"type":"subscribe","symbols":[["AAA"]]',
    '"type":"subscribe","symbols":' + "[" * 900 + "]" * 900,
    '"type":"subscribe","symbols":["AAA"],"channels":"quotes"',
    '"type":"subscribe","symbols":["AAA"],"channels":["nosuch"]',
    '"type":"subscribe","symbols":["AAA"],"channels":[{}]',
    '"type":"subscribe","symbols":["AAA"],"delivery":"fast"',
    '"type":"subscribe","symbols":["AAA"],"delivery":1e300',
    '"type":"subscribe","symbols":["AAA"],"interval_ms":0',
    '"type":"subscribe","symbols":["AAA"],"interval_ms":18446744073709551615',
    '"type":"subscribe","symbols":["AAA"],"snapshot":"yes"',
    '"type":"subscribe","symbols":["AAA"],"resume":[]',
    '"type":"subscribe","symbols":["AAA"],"resume":{}',
    '"type":"subscribe","symbols":["AAA"],"resume":{"epoch":"e","quotes":{"AAA":"1"}}',
    '"type":"subscribe","symbols":["AAA"],"resume":{"epoch":"e","quotes":{"AAA":-1}}',
    '"type":"subscribe","symbols":["AAA"],'
    '"resume":{"epoch":"e","quotes":{"AAA":18446744073709551615}}',
    '"type":"unsubscribe"',
    '"type":"unsubscribe","symbols":7',
    '"type":"unsubscribe","symbols":["AAA"],"channels":["nosuch"]',
    '"type":"authenticate"',
    '"type":"authenticate","token":5',
    '"type":"authenticate","token":"secret"',
]


def malformed() -> list[tuple[str | bytes, Any]]:
    """Give 200 messages, each with the id that its error must echo."""
    kinds = islice(cycle([*WITHOUT_ID, *WITH_ID]), COUNT)
    return [
        (f'{{"id":{number},{kind}}}', number) if kind in WITH_ID else (kind, None)
        for number, kind in enumerate(kinds)
    ]


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    folder = tmp_path_factory.mktemp("malformed")
    with serving(folder, "--simulate", "AAA", "--rate", "500") as running:
        yield running


def test_200_malformed_messages_get_one_typed_error_each_and_the_ticks_go_on(feed: Feed) -> None:
    sent = malformed()
    with client(feed) as own:
        own.subscribe("AAA")
        errors = []
        for payload, _ in sent:
            own.connection.send(payload)
            errors.append(own.until("error")[0])
        own.send(type="ping", id="alive")
        pong, before = own.until("pong")
        assert pong["id"] == "alive"
        assert not [message for message in before if message["type"] == "error"]
        assert own.ticks(20)
        ack, _ = own.ask(type="unsubscribe", symbols=[])
        assert ack["subscriptions"] == {"quotes": ["AAA"], "trades": ["AAA"]}
    assert [error.get("id") for error in errors] == [number for _, number in sent]
    assert {error["code"] for error in errors} == {
        "bad_json", "bad_message", "unknown_type", "unknown_channel", "not_enabled",
    }  # fmt: skip
    for error in errors:
        assert error["message"].isascii()
        assert error["message"].isprintable()
        assert len(error["message"]) < 300


def test_symbols_that_cannot_be_are_rejected_one_by_one(feed: Feed) -> None:
    names = ["", " ", "A B", "\x00", "é", "*A", "**", "A" * 41, ".A", "x" * 5_000, "AAA"]
    with client(feed) as own:
        ack = own.subscribe(*names)
        assert ack["subscriptions"] == {"quotes": ["AAA"], "trades": ["AAA"]}
        assert [found["symbol"] for found in ack["rejected"]] == [name[:64] for name in names[:-1]]
        assert {found["code"] for found in ack["rejected"]} == {"bad_symbol"}


def test_ten_thousand_symbols_in_one_message_are_answered_in_one(feed: Feed) -> None:
    with client(feed) as own:
        ack = own.subscribe(*(f"S{number}" for number in range(8_000)))
        assert len(ack["rejected"]) == 8_000


@pytest.mark.parametrize(
    ("opcode", "payload", "code"),
    [
        (Opcode.TEXT, b"\xff", 1007),
        (Opcode.TEXT, orjson.dumps({"type": "ping", "id": "x" * 100_000}), 1009),
        (Opcode.BINARY, bytes(70_000), 1009),
        (Opcode.CONT, b"{}", 1002),
    ],
)
def test_what_breaks_the_rules_of_the_websocket_is_closed_with_their_code(
    feed: Feed, opcode: Opcode, payload: bytes, code: int
) -> None:
    with client(feed) as own:
        own.connection.protocol.send_frame(Frame(opcode, payload))
        for data in own.connection.protocol.data_to_send():
            own.connection.socket.sendall(data)
        with pytest.raises(ConnectionClosed) as closed:
            own.connection.recv(timeout=5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


def test_a_request_that_is_no_handshake_is_answered_in_one_line(feed: Feed, tmp_path: Path) -> None:
    import urllib.request
    from urllib.error import HTTPError

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(HTTPError) as answered:
        opener.open(feed.url.replace("ws:", "http:"), timeout=5)
    assert answered.value.code == 426
    assert answered.value.read().count(b"\n") == 1
    answered.value.close()
