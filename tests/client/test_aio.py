from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import feed
from feed.client.commands import Terms
from feed.client.events import Disconnect, Event, Gap, Reconnected
from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed, MessageError, SettingError
from feed.protocol.messages import (
    ErrorMessage,
    Resume,
    Resumed,
    Snapshot,
    Subscribe,
)
from feed.ticks import Trade

Fakes = Callable[..., Any]


def trade(seq: int, symbol: str = "A") -> Trade:
    return Trade(symbol, seq, 1, 1.0, 1, 2)


def test_entering_subscribes_and_says_what_was_rejected(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        options = {"symbols": ["A", "NOPE"], "defaults": (["trades"], Terms("latest", 100, False))}
        async with lines(transport).connect(**options) as ticks:
            assert ticks.connected
            assert ticks.subscriptions == {"trades": ["A"]}
            assert [own.symbol for own in ticks.rejected] == ["NOPE"]
            (command,) = transport.commands
            assert isinstance(command, Subscribe)
            assert (command.delivery, command.interval_ms) == ("latest", 100)
            assert not command.snapshot
        assert transport.closed
        assert not ticks.connected

    run(main())


def test_a_lost_connection_is_replaced_and_the_range_missed_is_told(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    first, second = fake_transport(), fake_transport()
    told: list[Event] = []

    async def main() -> None:
        dial = lines(first, second)
        async with dial.connect(symbols=["A"], on_event=told.append) as ticks:
            await ticks.subscribe("B", delivery="all")
            first.tell([trade(1), trade(2)])
            first.tell(Disconnected(4000, "draining"))
            second.tell(Snapshot("A", {"trades": 9}, trade=trade(9)))
            second.tell(trade(10))
            got = [await anext(ticks) for _ in range(3)]
            assert [tick.seq for tick in got] == [1, 2, 10]
            assert ticks.stats.reconnects == 1
            assert (ticks.gaps, ticks.stats.lost) == (1, 7)
            assert ticks.snapshots["A"].trade == trade(9)
        snapshot = ticks.snapshots["A"]
        lost = Gap("trades", "A", 3, 9)
        assert told == [Disconnect(4000, "draining"), Reconnected(1, True), lost, snapshot]
        asked = [(own.symbols, own.delivery) for own in second.commands]
        assert asked == [(["A"], "adaptive"), (["B"], "all")]

    run(main())


def test_events_come_in_order_and_end_with_the_connection(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            events = ticks.events()
            transport.tell([trade(1), trade(3)])
            await anext(ticks)
        assert [event async for event in events] == [Gap("trades", "A", 2, 2)]
        assert [event async for event in ticks.events()] == []
        assert [tick async for tick in ticks] == [trade(3)]

    run(main())


def test_an_event_can_be_waited_for_while_another_task_reads(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            waiting = asyncio.create_task(ticks.wait_for(Gap))
            other = asyncio.create_task(ticks.wait_for(Reconnected))
            await asyncio.sleep(0)
            transport.tell(Snapshot("A", {"trades": 1}))
            transport.tell([trade(4)])
            await anext(ticks)
            assert await waiting == Gap("trades", "A", 2, 3)
        with pytest.raises(ConnectionFailed, match="closed before any Reconnected came"):
            await other

    run(main())


def test_events_that_nobody_can_read_any_more_are_not_kept(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            kept, left = ticks.events(), weakref.ref(ticks.events())
            broken_off = weakref.ref(stream := ticks.events())
            transport.tell([trade(1), trade(3)])
            await anext(ticks)
            async for _ in stream:
                break
            del stream
            gc.collect()
            assert (left(), broken_off()) == (None, None)
            assert await anext(kept) == Gap("trades", "A", 2, 2)

    run(main())


def test_a_task_that_waits_for_events_lives_though_nobody_refers_to_it(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    """The loop refers weakly to its tasks: one that waits is kept by what it waits for."""
    transport = fake_transport()
    heard: list[Event] = []

    async def main() -> None:
        async def listen() -> None:
            heard.extend([event async for event in ticks.events()])

        async with lines(transport).connect() as ticks:
            asyncio.create_task(listen())  # noqa: RUF006 - as programs do
            await asyncio.sleep(0)
            gc.collect()
            transport.tell([trade(1), trade(3)])
            await anext(ticks)
        await asyncio.sleep(0)

    run(main())
    assert heard == [Gap("trades", "A", 2, 2)]


def test_a_dropped_connection_comes_back_and_asks_for_what_it_missed(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    first, second = fake_transport(), fake_transport()

    async def main() -> None:
        async with lines(first, second).connect(symbols=["A"]) as ticks:
            first.tell(trade(1))
            await anext(ticks)
            ticks.drop()
            first.tell(Disconnected(1006, ""))
            second.tell([trade(2), trade(3)])
            second.tell(Resumed("trades", "A", 2, 3, complete=True))
            assert [await anext(ticks), await anext(ticks)] == [trade(2), trade(3)]
            assert second.commands[0].resume == Resume("e1", trades={"A": 1})
            assert await ticks.unsubscribe("A")
            assert (ticks.stats.resumed, ticks.gaps) == (2, 0)

    run(main())


def test_a_first_subscription_that_is_refused_closes_the_connection(
    fake_transport: Fakes, lines: Fakes, run: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = fake_transport()
    refusal = ErrorMessage("bad_message", "no", id=1)
    monkeypatch.setattr(transport, "send", lambda message: transport.tell(refusal))

    async def main() -> None:
        with pytest.raises(MessageError, match="no"):
            await lines(transport).connect(symbols=["A"]).__aenter__()
        assert transport.closed

    run(main())


def test_a_failure_is_raised_from_the_iterator_after_what_was_read(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            transport.tell(trade(1))
            transport.tell(Disconnected(4503, "limit exceeded"))
            assert await anext(ticks) == trade(1)
            with pytest.raises(ConnectionFailed, match="4503 limit exceeded"):
                await anext(ticks)

    run(main())


@pytest.mark.parametrize("names", [5, [5], None, b"A"])
def test_names_that_are_none_are_told(names: Any) -> None:
    with pytest.raises(SettingError, match="symbols must be a name or several, was "):
        feed.connect("ws://127.0.0.1:1", names)


def test_connect_reads_the_url_at_once_and_connects_only_on_entering() -> None:
    with pytest.raises(SettingError):
        feed.connect("http://127.0.0.1")
    assert not feed.connect("ws://127.0.0.1:9", "AAPL").connected


def test_importing_the_client_imports_neither_tornado_nor_pandas() -> None:
    code = "import sys, feed.client.aio; print({'tornado', 'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
