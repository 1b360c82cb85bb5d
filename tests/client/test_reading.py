from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from feed.errors import ConnectionFailed
from feed.ticks import Tick, Trade

Fakes = Callable[..., Any]


def trade(seq: int, symbol: str = "A") -> Trade:
    return Trade(symbol, seq, 1, 1.0, 1, 2)


def test_an_iteration_goes_on_where_a_break_left_it(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    transport = fake_transport()
    sent: list[Tick] = [trade(seq) for seq in range(1, 7)]

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            transport.tell(sent[:5])
            transport.tell(sent[5:])
            got = [await anext(ticks)]
            async for tick in ticks:
                got.append(tick)
                if len(got) == 3:
                    break
            got.append(await anext(ticks))
            async for batch in ticks.batches():
                got += batch
                if len(got) == 6:
                    break
            assert got == sent
            assert ticks.last("A", "trades") == sent[-1]
            assert ticks.positions() == {"trades": {"A": 6}}
            assert ticks.gaps == 0

    run(main())


def test_a_cancelled_wait_loses_no_tick(fake_transport: Fakes, lines: Fakes, run: Fakes) -> None:
    transport = fake_transport()

    async def main() -> None:
        async with lines(transport).connect() as ticks:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(ticks), 0.001)
            transport.tell(trade(1))
            assert await anext(ticks) == trade(1)

    run(main())


def test_closing_ends_an_iteration_in_another_task(
    fake_transport: Fakes, lines: Fakes, run: Fakes
) -> None:
    async def main() -> None:
        async with lines(fake_transport()).connect() as ticks:

            async def read() -> list[Tick]:
                return [tick async for tick in ticks]

            reader = asyncio.create_task(read())
            await asyncio.sleep(0)
        assert await reader == []
        with pytest.raises(ConnectionFailed, match="is closed"):
            await ticks.subscribe("A")

    run(main())
