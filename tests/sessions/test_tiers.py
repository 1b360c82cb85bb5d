"""tests/hub/test_late.py has what a tier serves."""

from __future__ import annotations

from feed.hub.late import LateHub
from tests.fakes import World


def test_one_hub_serves_all_of_a_delay_and_the_live_one_those_without() -> None:
    world = World()
    tiers = world.registry.tiers
    tiers.open([900, 60])
    assert tiers.of(0).hub is world.hub
    assert isinstance(tiers.of(900).hub, LateHub)
    assert tiers.of(900) is tiers.of(900)
    assert tiers.of(900).hub is not tiers.of(60).hub
