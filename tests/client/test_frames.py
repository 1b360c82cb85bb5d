from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as PeerFrame
from websockets.frames import Opcode as PeerOpcode

from feed.client import frames
from feed.client.frames import FrameReader, client_close, client_frame
from feed.codes import CloseCode
from feed.protocol import frames as protocol_frames
from feed.protocol.frames import FrameError, Opcode


def server_frame(opcode: int, body: bytes, *, final: bool = True) -> bytes:
    return PeerFrame(PeerOpcode(opcode), body, fin=final).serialize(mask=False)


def read(data: bytes, *, limit_bytes: int = 1_000_000, step: int = 1 << 20) -> list[frames.Frame]:
    reader = FrameReader(limit_bytes=limit_bytes)
    found: list[frames.Frame] = []
    while data:
        room = reader.room()
        count = min(len(data), len(room), step)
        room[:count], data = data[:count], data[count:]
        reader.take(count, found)
    return found


MESSAGES = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.text(max_size=300), st.integers(1, 4)), max_size=6
)


@given(MESSAGES, st.integers(1, 400))
def test_messages_come_out_whole_however_they_were_split(
    messages: list[tuple[int, str, int]], step: int
) -> None:
    data = b""
    for opcode, text, pieces in messages:
        body = text.encode()
        cuts = [body[at::pieces] for at in range(1)] if pieces == 1 else [body[:1], b"", body[1:]]
        for place, piece in enumerate(cuts):
            last = place == len(cuts) - 1
            data += server_frame(0 if place else opcode, piece, final=last)
            data += b"" if last else server_frame(Opcode.PING, b"between")
    sent = [(op, text if op == 1 else text.encode()) for op, text, _ in messages]
    assert [frame for frame in read(data, step=step) if frame[0] != Opcode.PING] == sent


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536, 300_000])
def test_every_length_encoding_is_read(size: int) -> None:
    data = server_frame(1, b"x" * size) + server_frame(1, b"next")
    assert read(data, step=70_000) == [(1, "x" * size), (1, "next")]


def test_a_large_message_does_not_leave_a_large_buffer() -> None:
    reader = FrameReader(limit_bytes=1_000_000, read_bytes=4_096)
    data = server_frame(1, b"x" * 900_000)
    found: list[frames.Frame] = []
    while data:
        room = reader.room()
        count = min(len(room), len(data))
        room[:count], data = data[:count], data[count:]
        reader.take(count, found)
    assert len(found) == 1
    assert len(reader.room()) == 4_096


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x83\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x8b\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x81\x80abcd", CloseCode.PROTOCOL_ERROR),
        (b"\x09\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x89\x7e\x00\x7e", CloseCode.PROTOCOL_ERROR),
        (b"\x80\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x01\x00\x81\x00", CloseCode.PROTOCOL_ERROR),
        (b"\x81\x01\xff", CloseCode.INVALID_PAYLOAD),
        (b"\x01\x01\xe2\x80\x01x", CloseCode.INVALID_PAYLOAD),
        (b"\x81\x7f\x00\x00\x00\x00\xff\xff\xff\xff", CloseCode.MESSAGE_TOO_BIG),
    ],
)
def test_a_broken_frame_is_refused_but_those_before_it_count(data: bytes, code: int) -> None:
    reader = FrameReader(limit_bytes=1_000_000)
    found: list[frames.Frame] = []
    sent = server_frame(1, b"good") + data
    reader.room()[: len(sent)] = sent
    with pytest.raises(FrameError) as caught:
        reader.take(len(sent), found)
    assert caught.value.close_code == code
    assert found == [(1, "good")]


def test_fragments_count_together_against_the_limit() -> None:
    with pytest.raises(FrameError, match="at most 100 bytes"):
        read(server_frame(1, b"x" * 60, final=False) + server_frame(0, b"x" * 60), limit_bytes=100)


@given(st.binary(max_size=300), st.sampled_from([1, 2]))
def test_a_client_frame_is_what_the_server_half_reads(body: bytes, opcode: int) -> None:
    text = body.hex().encode()
    reader = protocol_frames.FrameReader(100_000)
    assert list(reader.feed(client_frame(opcode, text))) == [(opcode, text)]


@pytest.mark.parametrize("size", [126, 70_000])
def test_long_client_frames_are_read_by_the_server_half(size: int) -> None:
    reader = protocol_frames.FrameReader(100_000)
    assert list(reader.feed(client_frame(2, b"y" * size))) == [(2, b"y" * size)]


def test_a_close_frame_cuts_a_long_reason_between_characters() -> None:
    ((opcode, payload),) = protocol_frames.FrameReader(1000).feed(client_close(4000, "ä" * 100))
    assert opcode == Opcode.CLOSE
    assert protocol_frames.read_close(payload) == (4000, "ä" * 61)


def test_no_code_is_an_empty_close_frame() -> None:
    ((_, payload),) = protocol_frames.FrameReader(1000).feed(client_close(1005))
    assert payload == b""
