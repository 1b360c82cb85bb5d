from __future__ import annotations

from pathlib import Path

import pytest

from feed.sources.base import BURST_TICKS, Source
from feed.sources.replay import Replay
from feed.sources.simulate import Simulate
from feed.tape.reader import open_tape


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    path = tmp_path / "one.csv"
    path.write_text("ts_event,symbol,price\n1,A,1\n")
    return [Replay(open_tape([path])), Simulate(("A",), seed=1)]


def test_every_source_tells_its_symbols_and_state_before_it_runs(sources: list[Source]) -> None:
    for source in sources:
        assert source.symbols == frozenset("A")
        assert source.state == "live"
    assert len({source.name for source in sources}) == 2


def test_a_burst_takes_little_enough_time_to_yield_often() -> None:
    assert 100 <= BURST_TICKS <= 4_000
