from __future__ import annotations

from feed.metrics import SECONDS, Histogram, Metrics
from tests.fakes import FakeTransport, World, quote, trade


def test_counting_starts_at_nothing() -> None:
    assert (Metrics().ticks_in, Metrics().sessions_closed) == (0, {})
    assert Metrics().sessions_closed is not Metrics().sessions_closed


def test_a_feed_counts_what_it_does() -> None:
    world = World()
    transport = FakeTransport()
    session = world.registry.open(transport, batched=False, peer="test")
    session.receive(b'{"type":"subscribe","symbols":["A"],"snapshot":false}')
    session.receive(b"nonsense")
    world.publish(quote("A"), trade("A"), quote("B"))
    world.hub.flush()
    session.close(4000, "draining")
    found = world.hub.metrics
    assert (found.ticks_in, found.ticks_out.total(), found.encodings) == (3, 2, 2)
    assert (found.sessions_opened, found.sessions_closed) == (1, {4000: 1})
    assert found.errors_told == 1


def test_a_duration_falls_into_one_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.0, SECONDS[0], 0.0002, 10.0):
        histogram.observe(seconds)
    assert histogram.counts == [2, 1, *[0] * (len(SECONDS) - 2), 1]
    assert histogram.sum_s == 10.0003
