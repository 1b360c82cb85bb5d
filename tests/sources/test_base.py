from __future__ import annotations

from feed.sources.base import BURST_TICKS, Source
from feed.sources.replay import Replay
from feed.sources.simulate import Simulate


def test_both_sources_are_what_the_node_asks_for() -> None:
    for kind in (Replay, Simulate):
        for member in (own for own in vars(Source) if not own.startswith("_")):
            assert hasattr(kind, member), f"{kind.__name__} lacks {member}"


def test_a_burst_takes_little_enough_time_to_yield_often() -> None:
    assert 100 <= BURST_TICKS <= 4_000
