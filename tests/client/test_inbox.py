from __future__ import annotations

from feed.client.frames import client_close, client_frame
from feed.client.inbox import Inbox
from feed.protocol.frames import FrameError, Opcode, close_frame, control_frame, text_frame


def filled(data: bytes) -> tuple[Inbox, list[bytes]]:
    inbox = Inbox(data)
    return inbox, inbox.add(len(data))


def opcodes(frames: list[bytes]) -> list[int]:
    return [frame[0] & 15 for frame in frames]


def test_messages_are_taken_once_and_pings_answered() -> None:
    inbox, answers = filled(text_frame(b"a") + control_frame(Opcode.PING, b"x") + text_frame(b"b"))
    assert opcodes(answers) == opcodes([client_frame(Opcode.PONG, b"x")])
    assert inbox.take() == ["a", "b"]
    assert inbox.take() == []
    assert inbox.end is None


def test_after_a_close_nothing_counts() -> None:
    inbox, answers = filled(text_frame(b"a") + close_frame(4000, "draining") + text_frame(b"b"))
    assert opcodes(answers) == opcodes([client_close(4000)])
    assert inbox.messages == ["a"]
    assert inbox.end == (4000, "draining", None)
    assert inbox.add(0) == []


def test_a_frame_that_is_none_is_an_end_that_says_why() -> None:
    for broken in (b"\xc1\x00", bytes((0x88, 1, 0))):
        inbox, answers = filled(text_frame(b"a") + broken)
        assert opcodes(answers) == [Opcode.CLOSE]
        assert inbox.messages == ["a"]
        assert inbox.end is not None
        assert isinstance(inbox.end.error, FrameError)
        assert inbox.end.code == inbox.end.error.close_code


def test_an_end_is_told_once_whatever_is_wrong_after_it() -> None:
    inbox, answers = filled(close_frame(1000, "") + b"\xc1\x00")
    assert opcodes(answers) == [Opcode.CLOSE]
    assert inbox.end is not None
    assert inbox.end.error is None
