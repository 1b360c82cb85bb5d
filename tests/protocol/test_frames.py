from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.codes import CloseCode
from feed.protocol.frames import (
    Frame,
    FrameError,
    FrameReader,
    Opcode,
    close_frame,
    control_frame,
    read_close,
    text_frame,
    unmask,
)

LIMIT = 1_000

texts = st.text(max_size=80).map(lambda text: Frame(Opcode.TEXT, text.encode()))
binaries = st.binary(max_size=300).map(lambda data: Frame(Opcode.BINARY, data))
controls = st.builds(Frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))
messages = st.lists(texts | binaries | controls, max_size=6)


def client_frame(opcode: int, payload: bytes, *, fin: bool = True, mask: bytes = b"abcd") -> bytes:
    """Build a masked frame the way a client does, by RFC 6455 section 5.2."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65_536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes(((0x80 if fin else 0) | opcode,)) + length + mask + masked


def read(data: bytes | Iterable[bytes], limit_bytes: int = LIMIT) -> list[Frame]:
    reader = FrameReader(limit_bytes)
    pieces = [data] if isinstance(data, bytes) else data
    return [frame for piece in pieces for frame in reader.feed(piece)]


def close_code_of(data: bytes, limit_bytes: int = LIMIT) -> CloseCode:
    with pytest.raises(FrameError) as caught:
        read(data, limit_bytes)
    return caught.value.close_code


def pieces_of(data: bytes, places: Iterable[int]) -> list[bytes]:
    cuts = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def fragments_of(payload: bytes, places: Iterable[int], opcode: int) -> list[bytes]:
    parts = pieces_of(payload, places)
    return [
        client_frame(opcode if not at else Opcode.CONTINUATION, part, fin=at == len(parts) - 1)
        for at, part in enumerate(parts)
    ]


@given(messages, st.binary(min_size=4, max_size=4), st.lists(st.integers(0), max_size=30))
def test_messages_are_the_same_however_their_bytes_are_split(
    sent: list[Frame], mask: bytes, places: list[int]
) -> None:
    wire = b"".join(client_frame(*frame, mask=mask) for frame in sent)
    assert read(pieces_of(wire, places)) == sent


@given(messages)
def test_messages_may_come_byte_by_byte(sent: list[Frame]) -> None:
    wire = b"".join(client_frame(*frame) for frame in sent)
    assert read(wire[at : at + 1] for at in range(len(wire))) == sent


@given(binaries | texts, st.lists(st.integers(0), max_size=5), st.lists(controls, min_size=6))
def test_control_frames_between_fragments_come_at_once_and_leave_the_message_whole(
    message: Frame, places: list[int], between: list[Frame]
) -> None:
    fragments = fragments_of(message.payload, places, message.opcode)
    shown = between[: len(fragments) - 1]
    wire = fragments[0]
    for control, fragment in zip(shown, fragments[1:], strict=True):
        wire += client_frame(*control) + fragment
    assert read(wire) == [*shown, message]


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_unmask_is_its_own_inverse_and_what_the_rfc_says(data: bytes, mask: bytes) -> None:
    masked = unmask(mask, data)
    assert masked == bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
    assert unmask(mask, masked) == data


@given(texts | binaries)
def test_a_reader_between_two_messages_is_idle(message: Frame) -> None:
    wire = client_frame(*message)
    begun = client_frame(Opcode.TEXT, b"", fin=False)
    reader = FrameReader(LIMIT)
    idle = []
    for piece in (wire[:-1], wire[-1:], begun):
        list(reader.feed(piece))
        idle.append(reader.idle)
    assert idle == [False, True, False]


@pytest.mark.parametrize("size", [LIMIT + 1, 65_536, 2**32, 2**63, 2**64 - 1])
def test_a_message_over_the_limit_is_refused_as_soon_as_its_header_shows_it(size: int) -> None:
    width, mark = (2, b"\xfe") if size < 65_536 else (8, b"\xff")
    header = b"\x82" + mark + size.to_bytes(width, "big")
    assert read(header[:-1]) == []
    assert close_code_of(header) == CloseCode.MESSAGE_TOO_BIG


def test_a_message_at_the_limit_is_taken_whole_or_in_fragments() -> None:
    payload = bytes(LIMIT)
    expected = [Frame(Opcode.BINARY, payload)]
    assert read(client_frame(Opcode.BINARY, payload)) == expected
    assert read(fragments_of(payload, [10, 500], Opcode.BINARY)) == expected


def test_fragments_count_together_and_each_message_anew() -> None:
    half = client_frame(Opcode.BINARY, bytes(600), fin=False)
    too_much = b"\x80" + b"\xfe" + (401).to_bytes(2, "big")
    assert close_code_of(half + too_much) == CloseCode.MESSAGE_TOO_BIG
    whole = half + client_frame(Opcode.CONTINUATION, bytes(400))
    assert len(read(whole * 3)) == 3


def test_endless_empty_fragments_hold_no_memory() -> None:
    reader = FrameReader(LIMIT)
    list(reader.feed(client_frame(Opcode.TEXT, b"", fin=False)))
    for _ in range(1_000):
        assert not list(reader.feed(client_frame(Opcode.CONTINUATION, b"", fin=False)))
    assert reader._fragments == []


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x02hi", 1002),  # unmasked
        (client_frame(0x41, b""), 1002),
        (client_frame(0x21, b""), 1002),
        (client_frame(0x11, b""), 1002),
        (client_frame(0x3, b""), 1002),
        (client_frame(0xB, b""), 1002),
        (client_frame(Opcode.PING, b"", fin=False), 1002),
        (client_frame(Opcode.PING, bytes(126)), 1002),
        (client_frame(Opcode.CLOSE, bytes(126)), 1002),
        (client_frame(Opcode.CONTINUATION, b""), 1002),
        (client_frame(Opcode.TEXT, b"a", fin=False) + client_frame(Opcode.TEXT, b"b"), 1002),
        (client_frame(Opcode.TEXT, b"\xff"), 1007),
        (client_frame(Opcode.TEXT, b"\xed\xa0\x80"), 1007),  # a surrogate
    ],
)
def test_a_broken_rule_closes_with_its_code(wire: bytes, code: int) -> None:
    assert close_code_of(wire) == code


def test_what_came_before_a_broken_rule_is_still_given() -> None:
    frames = FrameReader(LIMIT).feed(client_frame(Opcode.TEXT, b"a") + b"\x81\x00")
    assert next(frames) == Frame(Opcode.TEXT, b"a")
    with pytest.raises(FrameError):
        next(frames)


def test_text_split_within_a_character_is_whole_again() -> None:
    text = "\N{EURO SIGN}".encode()
    assert read(fragments_of(text, [1], Opcode.TEXT)) == [Frame(Opcode.TEXT, text)]


def test_binary_need_not_be_utf8() -> None:
    assert read(client_frame(Opcode.BINARY, b"\xff")) == [Frame(Opcode.BINARY, b"\xff")]


def test_nothing_is_read_beyond_a_close() -> None:
    close = client_frame(Opcode.CLOSE, b"\x03\xe8")
    assert read(close + b"\xff\xff\xff") == [Frame(Opcode.CLOSE, b"\x03\xe8")]


ALLOWED_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


@given(st.integers(0, 65_535) | st.sampled_from(sorted(ALLOWED_CODES)))
def test_only_codes_of_the_rfc_may_be_sent(code: int) -> None:
    payload = code.to_bytes(2, "big") + b"why"
    if code in ALLOWED_CODES:
        assert read_close(payload) == (code, "why")
    else:
        with pytest.raises(FrameError) as caught:
            read_close(payload)
        assert caught.value.close_code == CloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
def test_codes_at_the_edges_may_not_be_sent(code: int) -> None:
    with pytest.raises(FrameError):
        read_close(code.to_bytes(2, "big"))


def test_a_close_without_payload_means_no_code() -> None:
    assert read_close(b"") == (1005, "")


@pytest.mark.parametrize(("payload", "code"), [(b"\x03", 1002), (b"\x03\xe8\xff", 1007)])
def test_a_close_of_half_a_code_or_a_broken_reason_is_refused(payload: bytes, code: int) -> None:
    with pytest.raises(FrameError) as caught:
        read_close(payload)
    assert caught.value.close_code == code


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (1023, b"\x81\x7e\x03\xff"),
        (1024, b"\x81\x7e\x04\x00"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_text_frame_has_the_shortest_header_and_no_mask(size: int, header: bytes) -> None:
    payload = os.urandom(size)
    assert text_frame(payload) == header + payload


@given(st.integers(1000, 4999), st.text())
def test_a_close_frame_fits_and_its_reason_ends_between_characters(code: int, reason: str) -> None:
    frame = close_frame(code, reason)
    assert frame[0] == 0x88
    assert frame[1] == len(frame) - 2 <= 125
    assert frame[2:4] == code.to_bytes(2, "big")
    assert reason.startswith(frame[4:].decode())
    assert frame[4:] == reason.encode() or len(frame) > 2 + 125 - 4


def test_a_close_frame_without_code_is_empty() -> None:
    assert close_frame(None) == b"\x88\x00"


def test_a_pong_carries_its_ping() -> None:
    assert control_frame(Opcode.PONG, b"abc") == b"\x8a\x03abc"
