from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from feed.client.transport import Disconnected
from feed.client.worker import Worker
from feed.errors import ConnectionFailed, MessageError
from feed.ticks import Tick, Trade

Fakes = Callable[..., Any]

TICKS: list[Tick] = [Trade("A", seq, 1, 1.0, 1, 2) for seq in (1, 2, 3)]


class Sink:
    """Takes what a worker hands over."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.came = threading.Event()
        self.ended = threading.Event()

    def take(self, ticks: list[Tick]) -> None:
        self.ticks += ticks
        self.came.set()

    def worker(self, connection: Any) -> Worker:
        return Worker(connection, self.take, self.ended.set)


def test_it_reads_while_the_caller_does_something_else(fake_transport: Fakes, lines: Fakes) -> None:
    transport, sink = fake_transport(), Sink()
    worker = sink.worker(lines(transport).connect(symbols=["A"]))
    worker.start()
    worker.post(lambda: transport.tell(TICKS))
    assert sink.came.wait(10)
    assert sink.ticks == TICKS
    worker.stop()
    assert sink.ended.is_set()
    assert transport.closed
    assert not worker.running
    assert worker.failure is None
    worker.stop()


def test_a_connection_that_cannot_be_made_is_told_by_start(lines: Fakes) -> None:
    worker = Sink().worker(lines(ConnectionFailed("no")).connect())
    with pytest.raises(ConnectionFailed, match="no"):
        worker.start()
    assert not worker.running


def test_commands_are_awaited_in_its_loop(fake_transport: Fakes, lines: Fakes) -> None:
    connection = lines(fake_transport()).connect()
    worker = Sink().worker(connection)
    worker.start()
    ack = worker.call(lambda: connection.subscribe(["A", "NOPE"]))
    assert [own.symbol for own in ack.rejected] == ["NOPE"]

    async def refuse() -> None:
        raise MessageError("bad_message", "no")

    with pytest.raises(MessageError):
        worker.call(refuse)
    worker.stop()
    with pytest.raises(ConnectionFailed, match="closed"):
        worker.call(lambda: connection.subscribe("B"))


def test_what_ends_the_work_beside_it_is_told(
    fake_transport: Fakes, lines: Fakes, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("no notebook")

    worker = Sink().worker(lines(fake_transport()).connect())
    worker.start()
    worker.run(fail)
    worker.call(lambda: asyncio.sleep(0))
    worker.stop()
    assert caplog.messages == ["work beside a connection ended: ValueError: no notebook"]


def test_a_failure_is_kept_and_told_to_whoever_calls(fake_transport: Fakes, lines: Fakes) -> None:
    transport, sink = fake_transport(), Sink()
    connection = lines(transport).connect()
    worker = sink.worker(connection)
    worker.start()
    worker.post(lambda: transport.tell(Disconnected(4502, "not entitled")))
    assert sink.ended.wait(10)
    assert isinstance(worker.failure, ConnectionFailed)
    with pytest.raises(ConnectionFailed, match="4502"):
        worker.call(lambda: connection.subscribe("B"))


def test_whoever_waits_for_an_answer_is_told_when_it_stops(
    fake_transport: Fakes, lines: Fakes
) -> None:
    worker = Sink().worker(lines(fake_transport()).connect())
    worker.start()
    begun = threading.Event()

    async def forever() -> None:
        begun.set()
        await asyncio.Event().wait()

    def stop() -> None:
        begun.wait(10)
        worker.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(ConnectionFailed, match="closed"):
        worker.call(forever)
    stopper.join(10)


def test_one_that_is_stopped_before_it_starts_makes_no_connection(lines: Fakes) -> None:
    dialled = lines()
    worker = Sink().worker(dialled.connect())
    worker.stop()
    with pytest.raises(ConnectionFailed, match="closed"):
        worker.start()
    assert dialled.dialled == 0
