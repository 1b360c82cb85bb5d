from __future__ import annotations

import asyncio

from feed.client.events import EVENTS_KEPT, EventStream, Gap, Stale


def test_a_gap_counts_both_ends() -> None:
    assert Gap("quotes", "A", 3, 3).count == 1


def test_a_reader_that_waits_is_woken_and_an_end_comes_after_what_was_told() -> None:
    async def main() -> None:
        stream = EventStream()

        async def read() -> list[object]:
            return [event async for event in stream]

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        stream.put(Stale(1))
        await asyncio.sleep(0)
        stream.put(Stale(2))
        stream.end()
        assert await reader == [Stale(1), Stale(2)]

    asyncio.run(main())


def test_a_reader_far_behind_loses_the_oldest_and_is_told_how_many() -> None:
    async def main() -> None:
        stream = EventStream()
        for each in range(EVENTS_KEPT + 3):
            stream.put(Stale(each))
        assert stream.dropped == 3
        assert await anext(stream) == Stale(3)

    asyncio.run(main())
