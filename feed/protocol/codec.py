"""Bytes to messages and back: the home of orjson, and of msgspec's JSON.

Each does what it measured best at. orjson parses whatever a peer sends, strictly: no NaN, no lone
surrogates, no invalid UTF-8. msgspec checks shapes, and encodes and decodes ticks: 372 ns to make
and encode one, where a dict and orjson take 663 ns.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, Final, get_args

import msgspec
import orjson

from feed import codes
from feed.errors import MessageError, TickError
from feed.protocol.describe import describe, explain
from feed.protocol.messages import AnyCommand, Message, Publish
from feed.protocol.newticks import AnyNewTick, read_tick
from feed.ticks import Tick

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message | list[Tick]] = msgspec.json.Decoder(Message | list[Tick])

_tick_decoder: msgspec.json.Decoder[Tick] = msgspec.json.Decoder(Tick)

_unpacker: msgspec.msgpack.Decoder[Tick] = msgspec.msgpack.Decoder(Tick)

pack_tick = msgspec.msgpack.Encoder().encode
"""Give one tick in less time and room than JSON takes, for whoever keeps what nobody hears."""

encode = _encoder.encode
"""Give one message or tick as JSON bytes."""

DEPTH: Final = 6
"""How deep a command may be: twice what any is."""

_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"\s*(:)?')
"""A string of JSON, and the colon that makes it a name."""

COMMANDS: Final = {kind.__struct_config__.tag: kind for kind in get_args(AnyCommand)}

ALLOWED: Final = {
    "id": "an integer or a string of at most 64 characters",
    "token": "a string",
    "symbols": "a list of strings",
    "channels": "a list of strings",
    "delivery": "'adaptive', 'all' or 'latest'",
    "interval_ms": "an integer from 10 to 60000",
    "snapshot": "true or false",
    "ticks": "a list of ticks",
    "echo": "true or false",
    "message": "a string of 1 to 1000 characters",
    "resume": 'an object such as {"epoch":"k3f9","quotes":{"AAPL":1041}}',
}

_UNKNOWN_TYPE: Final = re.compile(r"Invalid value '.*' - at `\$\.type`$", re.DOTALL)

PUBLISH_TICKS: Final = 1_000
"""Most ticks in one publish: a few milliseconds of work, and an answer well within an outbox."""


class _WholePublish(Publish, omit_defaults=True):
    """A publish whose ticks are all good: read in one call, several times as fast."""

    ticks: list[AnyNewTick]


_publish_decoder = msgspec.json.Decoder(_WholePublish)
_line_decoder: msgspec.json.Decoder[AnyNewTick | TickError] = msgspec.json.Decoder(AnyNewTick)


def encode_ticks(ticks: list[Tick]) -> list[bytes]:
    """Encode a burst in one call and cut it: a third cheaper than one call for each tick."""
    return _encoder.encode_lines(ticks).split(b"\n")[:-1]


def tick_of(data: bytes) -> Tick:
    """Read one tick, encoded or packed."""
    return (_tick_decoder if _is_json(data) else _unpacker).decode(data)


def payload_of(data: bytes) -> bytes:
    """Give one tick, encoded or packed, as it goes out."""
    return data if _is_json(data) else encode(_unpacker.decode(data))


def _is_json(data: bytes) -> bool:
    return data[0] == ord("{")  # MessagePack's maps begin at 0x80


def decode(data: bytes | str) -> Message | list[Tick]:
    """Read what a server sent: one message, or the ticks of a batch.

    A message of a type that a newer server may have invented reads as a batch of no ticks.

    Raises:
        MessageError: the data is not of this protocol.
    """
    try:
        return _decoder.decode(data)
    except (ValueError, RecursionError) as error:
        if _UNKNOWN_TYPE.match(str(error)):
            return []
        raise MessageError(codes.BAD_MESSAGE, f"not a message of protocol 1: {error}") from None


def read_command(data: bytes | bytearray) -> AnyCommand:
    """Read what a client sent.

    Raises:
        MessageError: with the code and the sentence the client is told.
    """
    if b'"publish"' in data[:64]:
        with suppress(ValueError, RecursionError):  # else: see which tick is wrong
            publish = _publish_decoder.decode(data)
            if _has_names_once(data, publish):
                return _checked(publish)
    value = _value(data)
    if not isinstance(value, dict):
        raise MessageError(codes.BAD_MESSAGE, f"message must be an object, was {describe(value)}")
    _check_form(data, value)
    return _command(value)


def _has_names_once(data: bytes | bytearray, read: object) -> bool:
    """Tell quickly that no object has a name twice; False leaves it to a closer look.

    Args:
        read: what was made of the data; mostly it accounts for every name.
    """
    if b"\\" in data:  # an escaped colon would stand for another
        return False
    colons = data.count(b":")
    with suppress(RecursionError, orjson.JSONDecodeError, orjson.JSONEncodeError):
        if encode(read).count(b":") == colons:
            return True
        return orjson.dumps(orjson.loads(data)).count(b":") == colons
    return False


def _check_form(data: bytes | bytearray, value: dict[str, Any] | list[Any]) -> None:
    """Refuse what readers of JSON disagree on, or stumble over: a name given twice, and depth."""
    text = ""
    try:
        names = _count_names(value, DEPTH)
        if data.count(b":") != names and sum(1 for x in _STRING.finditer(data) if x[1]) != names:
            text = "an object must not have a name twice"
    except RecursionError:
        text = f"message may be at most {DEPTH} levels deep"
    if text:
        raise MessageError(codes.BAD_MESSAGE, text, id=_own_id(value))


def _count_names(value: dict[str, Any] | list[Any], levels: int) -> int:
    if not levels:
        raise RecursionError
    inside = value.values() if isinstance(value, dict) else value
    names = sum(_count_names(own, levels - 1) for own in inside if isinstance(own, dict | list))
    return names + (len(value) if isinstance(value, dict) else 0)


def read_ticks(data: bytes | bytearray) -> list[Any]:
    """Read a JSON document of one or several new ticks, as values for `read_tick`.

    Raises:
        MessageError: it is neither an object nor a list.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        value = _lenient(data)
        if value is None:
            raise MessageError(codes.BAD_JSON, f"the ticks must be JSON: {error}") from None
    if not isinstance(value, dict | list):
        text = f"the ticks must be an object or a list, were {describe(value)}"
        raise MessageError(codes.BAD_MESSAGE, text)
    if not _has_names_once(data, value):
        _check_form(data, value)
    return value if isinstance(value, list) else [value]


def read_lines(lines: list[bytes]) -> list[AnyNewTick | TickError]:
    """Read new ticks, one JSON object per line; a line that is no tick gives its error.

    Each is decoded by itself, which costs no more: joined, two halves would read as a whole.
    """
    with suppress(ValueError, RecursionError):  # not of this form, or not UTF-8
        read = [_line_decoder.decode(line) for line in lines]
        if _has_names_once(b"[" + b",".join(lines) + b"]", read):
            return read
    return [_read_line(line) for line in lines]


def _read_line(line: bytes) -> AnyNewTick | TickError:
    try:
        [value] = read_ticks(b"[" + line + b"]")
    except MessageError as error:
        if error.code == codes.BAD_MESSAGE:
            return TickError(codes.BAD_TICK, str(error))
        return TickError(codes.BAD_JSON, "a line must be one JSON object")
    except ValueError:
        return TickError(codes.BAD_JSON, "a line must be one JSON object")
    return read_tick(value)


def _value(data: bytes | bytearray) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        value = _lenient(data) if b'"publish"' in data else None
        if not isinstance(value, dict) or value.get("type") != "publish":
            raise MessageError(codes.BAD_JSON, f"message must be JSON: {error}") from None
        return value


def _lenient(data: bytes | bytearray) -> Any:
    """Read what is JSON but for numbers that are none, as many publishers write NaN; None if not.

    One such number must not take the other ticks with it.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _command(value: dict[str, Any]) -> AnyCommand:
    kind = value.get("type")
    command = COMMANDS.get(kind) if isinstance(kind, str) else None
    if command is None:
        allowed = ", ".join(sorted(COMMANDS))
        text = f"type must be one of {allowed}, was {describe(kind)}"
        raise MessageError(codes.UNKNOWN_TYPE, text, id=_own_id(value))
    try:
        read = msgspec.convert(value, command)
    except msgspec.ValidationError as error:
        text = explain(value, str(error), ALLOWED)
        raise MessageError(codes.BAD_MESSAGE, text, id=_own_id(value)) from None
    if isinstance(read, Publish):
        _checked(read).ticks = [read_tick(own) for own in read.ticks]
    return read  # type: ignore[no-any-return]


def _checked(publish: Publish) -> Publish:
    if not 1 <= len(publish.ticks) <= PUBLISH_TICKS:
        text = f"ticks must be 1 to {PUBLISH_TICKS} ticks, were {len(publish.ticks)}"
        raise MessageError(codes.BAD_MESSAGE, text, id=publish.id)
    return publish


def _own_id(value: dict[str, Any] | list[Any]) -> int | str | None:
    own = value.get("id") if isinstance(value, dict) else None
    if isinstance(own, str):
        return own if len(own) <= 64 else None
    return own if isinstance(own, int) and not isinstance(own, bool) else None
