from __future__ import annotations

import pytest

from locustfiles.agreement import compare
from tests.locustfiles.running import installed


@pytest.mark.timeout(120)
def test_both_clients_take_the_same_load_alone_and_at_once() -> None:
    installed()
    found = compare("firehose", 2, 200, (), rounds=1, seconds=1)
    assert len(found) == 4
    for name, (figures,) in found.items():
        assert figures.ticks_per_s > 0
        assert figures.read_p99 >= figures.read_p50 > 0
        assert 0 < figures.p50 <= figures.read_p50, name
