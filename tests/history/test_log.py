from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.history import log
from feed.history.log import History, Page, walk
from feed.history.want import Position, Want
from tests.fakes import World, trade


def filled(ticks: int, kept: int = 4096) -> World:
    """A world with trades of A, whose ts_event is their seq and ts_out 1,000 times that."""
    world = World(journal_ticks_per_stream=kept)
    for seq in range(1, ticks + 1):
        world.clock.wall_ns = seq * 1_000
        world.publish(trade("A", ts_event=seq))
    return world


def page(world: World, limit: int = 10, **fields: Any) -> Page:
    first = fields.pop("first", None)
    if first is not None:
        fields["first"] = Position(world.tickerplant.epoch, first)
    return asyncio.run(log_of(world).page(Want("trades", "A", limit, **fields)))


def log_of(world: World) -> History:
    return History(world.hub, lambda: world.tickerplant.epoch, world.clock)


def seqs(found: Page) -> list[int]:
    return [own.seq for own in found.ticks]


@given(ticks=st.integers(0, 60), kept=st.integers(0, 40), limit=st.integers(1, 20))
def test_pages_follow_each_other_without_a_hole(ticks: int, kept: int, limit: int) -> None:
    world = filled(ticks, kept)
    found, after = [], page(world, limit, first=0)
    for _ in range(ticks + 1):
        found += seqs(after)
        assert len(after.ticks) <= limit
        if after.next is None:
            break
        after = page(world, limit, first=after.next.seq)
    assert found == list(range(max(1, ticks - kept + 1), ticks + 1))


def test_without_a_beginning_the_newest_come_oldest_first() -> None:
    found = page(filled(20), 3)
    assert (seqs(found), found.next) == ([18, 19, 20], None)


def test_the_newest_before_a_time() -> None:
    assert seqs(page(filled(20), 3, to_ns=10)) == [7, 8, 9]


def test_from_a_time_on() -> None:
    found = page(filled(20), 3, from_ns=10)
    assert (seqs(found), found.next and found.next.seq) == ([10, 11, 12], 13)


def test_another_epoch_begins_with_what_there_is() -> None:
    world = filled(5)
    want = Want("trades", "A", 10, first=Position("other", 4))
    assert seqs(asyncio.run(log_of(world).page(want))) == [1, 2, 3, 4, 5]


def test_a_stream_that_never_ticked_is_empty() -> None:
    assert page(World()).ticks == []


def test_a_delayed_reader_sees_the_log_as_it_was() -> None:
    world = filled(20)
    world.clock.wall_ns = 20_000 + 5 * log.NS
    reader = log_of(world)
    assert reader.until_ns(0) is None
    assert reader.until_ns(5) == 20_000
    assert seqs(page(world, 3, until_ns=12_500)) == [10, 11, 12]


def test_walking_goes_step_by_step_as_far_as_ticks_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log, "STEP_TICKS", 2)
    world = filled(6, kept=6)
    stream = world.hub.index.stream("trades", "A")

    async def walked(publish: int) -> list[list[int]]:
        steps = []
        async for ticks in walk(world.hub.journal, stream, 1, 5):
            steps.append([own.seq for own in ticks])
            world.publish(*(trade("A") for _ in range(publish)))
        return steps

    assert asyncio.run(walked(0)) == [[1, 2], [3, 4], [5]]
    assert asyncio.run(walked(4)) == [[1, 2]]


def test_what_the_journal_drops_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "STEP_TICKS", 2)
    world = filled(6, kept=6)
    since = world.hub.journal.since
    calls = iter(range(100))

    def dropping(*arguments: Any) -> Any:
        found = since(*arguments)
        if next(calls) == 0:
            world.publish(*(trade("A") for _ in range(4)))
        return found

    monkeypatch.setattr(world.hub.journal, "since", dropping)
    assert seqs(page(world, 10, from_ns=0)) == [1, 2, 5, 6]
