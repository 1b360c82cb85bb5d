from __future__ import annotations

import json
import string
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feed import codes
from feed.errors import MessageError, TickError
from feed.protocol.codec import (
    COMMANDS,
    decode,
    encode,
    encode_ticks,
    pack_tick,
    payload_of,
    read_command,
    read_lines,
    read_ticks,
    tick_of,
)
from feed.protocol.messages import AnyCommand, Ping, Subscribe
from feed.protocol.newticks import NewTrade
from feed.ticks import Bar, Quote, Status, Tick, Trade
from tests.fakes import quote, trade

SHOWN = frozenset(string.printable) - frozenset("\r\n\t\v\f")

finite = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(0, 2**63 - 1)
sizes = st.none() | whole | finite.filter(lambda size: size != int(size))
names = st.text(string.ascii_letters, min_size=1, max_size=8)
words = st.text(max_size=20)

quotes = st.builds(Quote, names, whole, whole, finite, sizes, finite, sizes, whole)
trades = st.builds(Trade, names, whole, whole, finite, sizes, whole)
bars = st.builds(
    Bar, names, whole, st.sampled_from(["1s", "1m"]), whole, finite, finite, finite, finite,
    sizes, st.none() | finite, st.none() | whole, whole, st.sampled_from(["trades", "quotes"]),
)  # fmt: skip
statuses = st.builds(Status, names, whole, whole, words, st.none() | words, whole)
ticks: st.SearchStrategy[Tick] = st.one_of(quotes, trades, bars, statuses)

scalars = st.none() | st.booleans() | st.integers() | finite | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
fields = st.sampled_from(
    ["type", "id", "symbols", "channels", "delivery", "interval_ms", "snapshot", "resume", "token"]
)
almost = st.builds(
    lambda kind, rest: {**rest, "type": kind},
    st.sampled_from(sorted(COMMANDS)),
    st.dictionaries(fields, values | st.lists(st.text())),
)


def refusal(data: bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        read_command(data)
    return caught.value


def check_command_or_short_error(data: bytes) -> None:
    try:
        assert isinstance(read_command(data), get_args(AnyCommand))
    except MessageError as error:
        text = str(error)
        assert len(text) < 300
        assert set(text) <= SHOWN


@given(values | almost)
def test_any_json_is_a_command_or_an_error_of_one_short_printable_line(value: Any) -> None:
    check_command_or_short_error(json.dumps(value).encode())


@given(st.binary())
def test_any_bytes_are_a_command_or_an_error_of_one_short_printable_line(data: bytes) -> None:
    check_command_or_short_error(data)


@given(st.lists(ticks))
def test_a_burst_encodes_as_its_ticks_one_by_one(burst: list[Tick]) -> None:
    assert encode_ticks(burst) == [encode(tick) for tick in burst]


@given(ticks)
def test_a_tick_reads_back_as_it_was_written(tick: Tick) -> None:
    assert decode(encode(tick)) == tick


@given(st.lists(ticks))
def test_a_batch_reads_back_as_its_ticks(burst: list[Tick]) -> None:
    assert decode(b"[" + b",".join(encode_ticks(burst)) + b"]") == burst


@given(st.text().filter(lambda kind: kind not in COMMANDS and not kind.isalpha()))
def test_a_message_of_an_unknown_type_reads_as_no_ticks(kind: str) -> None:
    assert decode(json.dumps({"type": kind, "value": 1})) == []


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_server_sends_is_read_or_refused_by_a_message_error(data: bytes) -> None:
    with suppress(MessageError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b'{"type":"ping"',
        b'{"type":"ping","id":NaN}',
        b'{"type":"ping","id":Infinity}',
        b'{"type":"ping","id":1e999}',
        b'{"type":"ping","id":"\\ud800"}',
        b'{"type":"ping","id":"\xff"}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_json_is_bad_json(data: bytes) -> None:
    assert refusal(data).code == codes.BAD_JSON


@pytest.mark.parametrize(
    ("data", "was"),
    [
        (b"[]", "a list"),
        (b"5", "5"),
        (b"null", "null"),
        (b"true", "true"),
        (b'"ping"', "'ping'"),
    ],
)
def test_a_message_must_be_an_object(data: bytes, was: str) -> None:
    error = refusal(data)
    assert error.code == codes.BAD_MESSAGE
    assert str(error) == f"message must be an object, was {was}"


@pytest.mark.parametrize("kind", ['"nosuch"', "5", "null", "[]", '{"a":1}'])
def test_an_unknown_type_is_told_the_known_ones(kind: str) -> None:
    error = refusal(b'{"type":%s,"id":9}' % kind.encode())
    assert error.code == codes.UNKNOWN_TYPE
    assert error.id == 9
    assert "authenticate, notice, ping, publish, subscribe, unsubscribe" in str(error)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ('"symbols":"AAPL"', "symbols must be a list of strings, was 'AAPL'"),
        ('"symbols":["A",1]', "symbols must be a list of strings, was a list with 1 at 1"),
        ('"channels":["quotes"]', "symbols must be a list of strings, was missing"),
        ('"symbols":[],"snapshot":1', "snapshot must be true or false, was 1"),
        ('"symbols":[],"delivery":"fast"', "delivery must be 'adaptive', 'all' or 'latest', was"),
        ('"symbols":[],"interval_ms":1', "interval_ms must be an integer from 10 to 60000, was 1"),
        ('"symbols":[],"resume":{"epoch":1}', "resume must be an object such as"),
        ('"symbols":[],"resume":{"epoch":"e","quotes":{"A":-1}}', "resume must be an object such"),
        (
            '"symbols":[],"resume":{"epoch":"e","quotes":{"A":18446744073709551615}}',
            "resume must be an object such as",
        ),
    ],
)
def test_a_field_of_the_wrong_kind_is_named_with_what_is_allowed(fields: str, text: str) -> None:
    error = refusal(b'{"type":"subscribe","id":"x",%s}' % fields.encode())
    assert error.code == codes.BAD_MESSAGE
    assert error.id == "x"
    assert str(error).startswith(text)


def test_a_publish_that_is_not_utf_8_is_refused() -> None:
    for own in (b'"id":"\xff","ticks":[]', b'"ticks":[{"type":"status","symbol":"\xff"}]'):
        assert refusal(b'{"type":"publish",%s}' % own).code == codes.BAD_JSON


@pytest.mark.parametrize("own", ["1.5", "true", "[]", '"%s"' % ("x" * 65), "1e30"])
def test_an_id_that_cannot_be_echoed_is_not(own: str) -> None:
    error = refusal(b'{"type":"ping","id":%s}' % own.encode())
    assert str(error).startswith("id must be an integer or a string of at most 64 characters")
    assert error.id is None


def test_a_command_is_read_from_text_with_and_without_optional_fields() -> None:
    assert read_command(b'{"type":"ping"}') == Ping()
    assert read_command(b'{"type":"subscribe","symbols":["A"],"id":1}') == Subscribe(["A"], id=1)


def test_lines_are_new_ticks_or_say_what_is_wrong_with_them() -> None:
    good = b'{"type":"trade","symbol":"A","price":1}'
    assert read_lines([good, good]) == [NewTrade("A", 1.0)] * 2
    lines = [good, b"{", b"[]", good + good, good + b"," + good, b'{"type":"trade"}', b"NaN"]
    errors = [own for own in read_lines([*lines, good]) if isinstance(own, TickError)]
    assert [own.code for own in errors] == [
        *("bad_json", "bad_tick", "bad_json", "bad_json", "bad_tick", "bad_tick"),
    ]


TRADE = b'{"type":"trade","symbol":"A","price":1}'
OPEN = b'{"type":"status","symbol":"A","status":"halted"'
PIECES = [
    TRADE,
    OPEN,
    b"}",
    b',"reason":"',
    b'"',
    b'"x":[{',
    b"]",
    b"{",
    b",",
    b" ",
    b"\r",
    b"\xff",
]


def alone(line: bytes) -> object:
    (read,) = read_lines([line])
    return told(read)


def told(read: object) -> object:
    return (read.code, str(read)) if isinstance(read, TickError) else read


@given(st.lists(st.sampled_from([*PIECES, b"\n", b"\n", b"\n"]), max_size=20).map(b"".join))
@example(OPEN + b',"reason":"}\n{"}')
@example(TRADE + b"," + TRADE)
@example(TRADE + b"," + TRADE + b"\n" + OPEN + b',"reason":"}\n{"}')
@example(TRADE + b"," + TRADE + b"\n" + OPEN + b',"x":[{}\n{}]}')
@example(TRADE + TRADE + b"\n" + OPEN + b"\n}")
@example(TRADE + b"\r\n" + OPEN + b',"reason":"\xff"}\n' + TRADE)
def test_each_line_is_read_as_if_it_were_alone(text: bytes) -> None:
    lines = [line for line in text.split(b"\n") if line.strip()]
    assert [told(own) for own in read_lines(lines)] == [alone(line) for line in lines]


@pytest.mark.parametrize("data", [b"", b"7", b'"x"', b"null", b"[", b"\xff"])
def test_a_document_of_ticks_is_an_object_or_a_list(data: bytes) -> None:
    with pytest.raises(MessageError, match="the ticks must be"):
        read_ticks(data)


def test_a_document_of_one_tick_is_a_list_of_one() -> None:
    assert read_ticks(b'{"price":1}') == [{"price": 1}]
    assert read_ticks(b'[{"price":NaN},2]')[1] == 2


@pytest.mark.parametrize("tick", [quote(), trade(), Status("A", 3, 4, "halted", '{"', 5)])
def test_a_packed_tick_is_the_same_tick_and_goes_out_as_the_same_bytes(tick: Tick) -> None:
    for kept in (encode(tick), pack_tick(tick)):
        assert tick_of(kept) == tick
        assert payload_of(kept) == encode(tick)
    assert len(pack_tick(tick)) < len(encode(tick))


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping","type":"subscribe","symbols":["A"]}',
        '{"type":"ping","id":1,"id":2}',
        '{"type":"ping","x":{"a":1,"a":2}}',
        '{"type":"ping","x":[{"a:b":"c:d","a:b" : 2}]}',
        '{"type":"ping","\\u0069d":1,"id":2}',
        r'{"type":"ping","x":"\":","x":1}',
        '{"type":"publish","ticks":[{"type":"trade","symbol":"A","price":1,"price":2}]}',
        '{"type":"publish","id":1,"id":1,"ticks":[{"type":"trade","symbol":"A","price":1}]}',
        '{"type":"publish","ticks":[{"type":"trade","symbol":"A","price":1,"x":[{"a":1,"a":2}]}]}',
        r'{"type":"publish","ticks":[{"type":"trade","symbol":"A\u003a","price":1,"price":2}]}',
    ],
)
def test_a_name_given_twice_is_refused(text: str) -> None:
    error = refusal(text.encode())
    assert (error.code, str(error)) == (codes.BAD_MESSAGE, "an object must not have a name twice")


def test_of_lines_only_the_one_with_a_name_twice_is_refused() -> None:
    good, twice = b'{"type":"trade","symbol":"A","price":1}', b'{"type":"trade","type":"trade"}'
    first, bad, last = read_lines([good, twice, good])
    assert (first, last) == (NewTrade("A", 1.0), NewTrade("A", 1.0))
    assert isinstance(bad, TickError)
    assert (bad.code, str(bad)) == (codes.BAD_TICK, "an object must not have a name twice")
    with pytest.raises(MessageError, match="name twice"):
        read_ticks(twice)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping","id":"a:b"}',
        '{"type" : "ping" , "x": {"a":[{"a":":"}]}}',
        r'{"type":"ping","id":"\":","x":"\\"}',
        '{"type":"subscribe","symbols":["X:Y","::"],"resume":{"epoch":"e","quotes":{"X:Y":1}}}',
        '{"type":"publish","ticks":[{"type":"trade","symbol":"X:Y","price":1,"size":null,"z":":"}]}',
        r'{"type":"publish","ticks":[{"type":"trade","symbol":"X\u003aY","price":1}]}',
    ],
)
def test_colons_in_texts_are_no_names(text: str) -> None:
    read_command(text.encode())


@pytest.mark.parametrize("inside", ["[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900])
def test_a_deep_message_is_refused_with_its_id(inside: str) -> None:
    error = refusal(f'{{"type":"ping","id":5,"x":{inside}}}'.encode())
    assert (error.code, error.id) == (codes.BAD_MESSAGE, 5)
    assert str(error) == "message may be at most 6 levels deep"
