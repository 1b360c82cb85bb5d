"""The TLS transport keeps every byte in order, whatever the socket takes at a time."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest

from feed.metrics import Metrics
from feed.server.encrypted import TlsTransport
from feed.server.tls import RECORD_BYTES


class Loop:
    """Notes who waits for the socket."""

    def __init__(self) -> None:
        self.writer: Callable[[], None] | None = None
        self.later: list[Callable[[], None]] = []

    def add_reader(self, *_: Any) -> None: ...

    def remove_reader(self, *_: Any) -> None: ...

    def add_writer(self, fd: int, call: Callable[[], None]) -> None:
        self.writer = call

    def remove_writer(self, fd: int) -> None:
        self.writer = None

    def wake(self) -> None:
        assert self.writer is not None
        self.writer()

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self.later.append(call)

    def call_soon(self, call: Callable[[], None]) -> None:
        self.later.append(call)


class Tls:
    """A socket as OpenSSL has them: a record it could not write must be offered again, the same."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sent = b""
        self.begun = b""
        self.ended: list[str] = []

    def fileno(self) -> int:
        return 9

    def send(self, data: bytes | memoryview) -> int:
        record = bytes(data)
        assert len(record) <= RECORD_BYTES
        assert not self.begun or record == self.begun, "bad write retry"
        if not self.room:
            self.begun = record
            raise ssl.SSLWantWriteError
        self.room -= 1
        self.begun = b""
        self.sent += record
        return len(record)

    def unwrap(self) -> None:
        self.ended.append("unwrap")
        raise ssl.SSLWantReadError

    def shutdown(self, how: int) -> None:
        self.ended.append("shutdown")

    def close(self) -> None:
        self.ended.append("close")


class Asked:
    """Notes who asked for a turn."""

    def __init__(self) -> None:
        self.steps: list[Callable[[], bool]] = []

    def add(self, step: Callable[[], bool]) -> None:
        self.steps.append(step)


def made(room: int, asked: Asked | None = None) -> tuple[TlsTransport, Tls, Loop]:
    tls, loop = Tls(room), Loop()
    return TlsTransport(tls, loop, asked or Asked(), 65_536, Metrics()), tls, loop


def test_what_fits_is_sent_record_by_record() -> None:
    transport, tls, loop = made(room=9)
    data = bytes(range(256)) * 200
    assert callable(transport.target)
    assert transport.target(data) == len(data)
    assert tls.sent == data
    assert loop.writer is None


def test_a_record_that_is_stuck_counts_as_written_and_goes_first() -> None:
    transport, tls, loop = made(room=1)
    data = bytes(range(256)) * 200
    taken = transport.write(data)
    assert taken == 2 * RECORD_BYTES
    assert transport.write(b"other") == 0
    transport.want_write(True)
    transport.want_write(False)
    tls.room = 9
    loop.wake()
    assert tls.sent == data[:taken]
    assert loop.writer is None
    assert transport.write(data[taken:]) == len(data) - taken
    assert tls.sent == data


def test_the_end_waits_for_what_is_stuck() -> None:
    transport, tls, loop = made(room=0)
    assert transport.write(b"goodbye") == 7
    transport.finish()
    assert tls.ended == []
    tls.room = 1
    loop.wake()
    assert tls.sent == b"goodbye"
    assert tls.ended == ["unwrap", "shutdown"]


def test_a_dead_socket_takes_all_and_is_let_go_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    transport, tls, _ = made(room=1, asked=asked)

    def dead(data: object) -> int:
        raise ConnectionResetError

    monkeypatch.setattr(tls, "send", dead)
    assert transport.write(b"x" * 99) == 99
    assert transport.write(b"x" * 99) == 99
    assert tls.ended == []
    [step] = asked.steps
    assert not step()
    assert tls.ended == ["close"]
