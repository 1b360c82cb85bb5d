from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feed.history import log
from feed.history.archive import Archive
from feed.history.log import History, Page
from feed.history.want import Position, Want
from feed.recorder import Recorder
from feed.ticks import Tick
from tests.fakes import World, trade


class Recorded:
    """A world that is recorded, run after run, and what was published in each."""

    def __init__(self, folder: Path, kept: int) -> None:
        self.folder = folder
        self.kept = kept
        self.published: list[tuple[str, int]] = []
        self.flushes = 0

    def run(self, *bursts: int, flushed: int, limit: int, **fields: Any) -> list[Page]:
        """Publish bursts of trades of A, of which the first so many are flushed; then read."""

        async def record() -> list[Page]:
            world = World(journal_ticks_per_stream=self.kept)
            world.clock.wall_ns += len(self.published) * 1_000_000
            epoch = world.tickerplant.epoch
            recorder = Recorder(self.folder, lambda: epoch)
            for number, count in enumerate(bursts):
                ticks: list[Tick] = [trade("A") for _ in range(count)]
                world.publish(*ticks)  # type: ignore[arg-type]
                recorder.append(ticks)
                self.published += [(epoch, tick.seq) for tick in ticks]
                if number < flushed:
                    await recorder.flush()
            try:
                return await self._pages(world, recorder, limit, fields)
            finally:
                await recorder.close()

        return asyncio.run(record())

    async def _pages(
        self, world: World, recorder: Recorder, limit: int, fields: dict[str, Any]
    ) -> list[Page]:
        async def flush() -> None:
            self.flushes += 1
            await recorder.flush()

        archive = Archive(self.folder, flush)
        history = History(world.hub, lambda: world.tickerplant.epoch, world.clock, archive)
        pages = [await history.page(Want("trades", "A", limit, **fields))]
        while (after := pages[-1].next) is not None:
            pages.append(await history.page(Want("trades", "A", limit, first=after)))
        return pages


def flat(pages: list[Page]) -> list[tuple[str, int]]:
    return [(page.epoch, tick.seq) for page in pages for tick in page.ticks]


BURSTS = st.lists(st.integers(1, 8), min_size=1, max_size=5)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    runs=st.lists(st.tuples(BURSTS, st.integers(0, 5)), min_size=1, max_size=3),
    kept=st.integers(0, 12),
    limit=st.integers(1, 15),
)
def test_journal_and_recordings_are_one_log_without_a_hole_or_a_double(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[list[int], int]],
    kept: int,
    limit: int,
) -> None:
    own = Recorded(tmp_path_factory.mktemp("recorded"), kept)
    for bursts, flushed in runs:
        pages = own.run(*bursts, flushed=flushed, limit=limit, from_ns=0)
    assert flat(pages) == own.published
    assert all(len(page.ticks) <= limit for page in pages)


def test_the_newest_ticks_reach_back_into_the_recording(tmp_path: Path) -> None:
    own = Recorded(tmp_path, kept=3)
    (page,) = own.run(5, 5, flushed=1, limit=8)
    assert flat([page]) == own.published[-8:]
    assert own.flushes == 1


def test_what_the_journal_has_needs_no_recording(tmp_path: Path) -> None:
    own = Recorded(tmp_path, kept=100)
    (page,) = own.run(5, 5, flushed=0, limit=8)
    assert (flat([page]), own.flushes) == (own.published[-8:], 0)


def test_after_a_restart_the_newest_are_those_of_the_run_before(tmp_path: Path) -> None:
    own = Recorded(tmp_path, kept=3)
    own.run(5, flushed=1, limit=2)
    (page,) = own.run(flushed=0, limit=2)
    assert flat([page]) == own.published[-2:]


def test_a_position_in_an_earlier_run_leads_through_to_the_newest(tmp_path: Path) -> None:
    own = Recorded(tmp_path, kept=3)
    own.run(5, flushed=1, limit=2)
    first = Position(own.published[0][0], 4)
    assert flat(own.run(5, flushed=1, limit=2, first=first)) == own.published[3:]


def test_what_the_journal_drops_while_it_is_read_comes_from_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "STEP_TICKS", 2)

    async def read() -> list[int]:
        world = World(journal_ticks_per_stream=6)
        recorder = Recorder(tmp_path, lambda: world.tickerplant.epoch)

        def publish(count: int) -> None:
            ticks: list[Tick] = [trade("A") for _ in range(count)]
            world.publish(*ticks)  # type: ignore[arg-type]
            recorder.append(ticks)

        publish(20)
        history = History(
            world.hub,
            lambda: world.tickerplant.epoch,
            world.clock,
            Archive(tmp_path, recorder.flush),
        )
        found = []
        want = Want("trades", "A", 100, first=Position(world.tickerplant.epoch, 1))
        async for ticks in history._ticks(world.tickerplant.epoch, 1, want):
            found += [own.seq for own in ticks]
            publish(5)
        await recorder.close()
        return found

    assert asyncio.run(read()) == list(range(1, 21))
