from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from feed.client.publishing import COMMAND_BYTES, TICKS_PER_COMMAND, WINDOW, commands
from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed, MessageError, TapeError
from feed.protocol.codec import encode, read_command
from feed.protocol.messages import ErrorMessage, Publish
from feed.protocol.newticks import NewQuote, NewTrade
from feed.ticks import Quote, Trade

Fakes = Callable[..., Any]

TRADE = Trade("A", 0, 0, 1.5, 2, 0)


def sent(transport: Any) -> list[Publish]:
    return [own for own in transport.commands if isinstance(own, Publish)]


def test_ticks_and_mappings_are_published_as_they_are(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()
    at = 1_764_000_000_000_000_000

    async def main() -> None:
        async with lines(transport).connect() as own:
            quote = Quote("A", 7, at, 1.0, None, 2.0, 3, 8)
            trade = {"type": "trade", "symbol": "A", "price": 1}
            published = await own.publish([quote, TRADE, trade], echo=True)
            assert (published.accepted, published.seqs) == (3, [1, 2, 3])
            assert (await own.publish(TRADE)).accepted == 1
            assert (await own.publish(trade)).accepted == 1

    run(main())
    first, *others = sent(transport)
    assert first.echo
    assert first.ticks == [
        NewQuote("A", 1.0, 2.0, None, 3, at),
        NewTrade("A", 1.5, 2),
        NewTrade("A", 1.0),
    ]
    assert [len(own.ticks) for own in others] == [1, 1]


def test_the_answers_of_many_commands_are_one_with_places_of_the_whole(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()
    count = 2 * TICKS_PER_COMMAND + 10
    ticks = [Trade("A", 0, 0, 1.0, 1, 0) for _ in range(count)]
    ticks[TICKS_PER_COMMAND + 3] = Trade("NOPE", 0, 0, 1.0, 1, 0)

    async def main() -> None:
        async with lines(transport).connect() as own:
            published = await own.publish(ticks)
            [bad] = published.rejected
            assert bad.index == TICKS_PER_COMMAND + 3
            assert published.seqs[bad.index] is None
            assert (published.accepted, len(published.seqs)) == (count - 1, count)

    run(main())
    assert len(sent(transport)) == 3


def test_only_so_many_commands_wait_for_an_answer(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()
    transport.mute = True

    async def main() -> None:
        async with lines(transport).connect() as own:
            publishing = asyncio.create_task(own.publish([TRADE] * TICKS_PER_COMMAND * 20))
            for _ in range(100):
                await asyncio.sleep(0)
            assert len(sent(transport)) == WINDOW
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

    run(main())


def test_a_lost_connection_says_what_is_known_and_nothing_is_sent_twice(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    first, second = fake_transport(), fake_transport()
    first.mute = True
    first.tell(Disconnected(1006, ""))

    async def main() -> None:
        async with lines(first, second).connect() as own:
            with pytest.raises(ConnectionFailed, match="0 ticks were taken, of the next 3 it is"):
                await own.publish([TRADE] * 3)
            assert (await own.publish(TRADE)).accepted == 1

    run(main())
    assert len(sent(first)) == 1
    assert len(sent(second)) == 1


def test_a_refusal_is_raised(fake_transport: Fakes, lines: Fakes, run: Fakes) -> None:
    transport = fake_transport()
    transport.mute = True
    transport.tell(ErrorMessage("not_entitled", "anonymous may not publish", id=1))

    async def main() -> None:
        async with lines(transport).connect() as own:
            with pytest.raises(MessageError, match="may not publish"):
                await own.publish(TRADE)

    run(main())


def test_a_frame_is_published_row_by_row(fake_transport: Fakes, lines: Fakes, run: Fakes) -> None:
    transport = fake_transport()
    frame = pd.DataFrame(
        {"price": [1.5, 2.5], "size": [None, 3]},
        index=pd.to_datetime(["2026-01-05T14:30:00Z", "2026-01-05T14:30:01Z"]),
    )

    async def main() -> None:
        async with lines(transport).connect() as own:
            assert (await own.publish_frame(frame, symbol="A")).accepted == 2
            with pytest.raises(TapeError, match="price must be a number above 0"):
                await own.publish_frame(frame.assign(price=-1.0), symbol="A")

    run(main())
    [command] = sent(transport)
    at = 1_767_623_400_000_000_000
    assert command.ticks == [
        NewTrade("A", 1.5, None, at),
        NewTrade("A", 2.5, 3.0, at + 1_000_000_000),
    ]


def test_no_command_is_larger_than_the_server_takes() -> None:
    wide = {"type": "status", "symbol": "A", "status": "x", "reason": "é" * 200}
    made = list(commands([wide] * 600, echo=False))
    assert sum(len(own.ticks) for own in made) == 600
    for own in made:
        assert len(encode(own)) <= COMMAND_BYTES + 100
        read = read_command(encode(own))
        assert isinstance(read, Publish)
    assert list(commands([], echo=False)) == []
