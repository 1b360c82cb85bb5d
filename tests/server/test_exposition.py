from __future__ import annotations

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

import feed
from feed.metrics import SECONDS
from feed.server.exposition import Exposition
from feed.ticks import CHANNELS
from tests.fakes import FakeTransport, World, quote, trade
from tests.server.local import answer, request, serving
from tests.server.test_probes import StubSource

OPEN = "application/openmetrics-text; version=1.0.0"

Samples = dict[tuple[str, str], float]


def busy() -> World:
    """A world in which something of everything has happened."""
    world = World()
    slow = FakeTransport(room=2_000)
    for transport in (FakeTransport(), slow):
        session = world.registry.open(transport, batched=False, peer="test")
        session.receive(b'{"type":"subscribe","symbols":["A","B"],"channels":["quotes"]}')
    world.publish(quote("A"), quote("A"), quote("B"), trade("A"))
    slow.room = 0
    world.hub.flush()
    world.registry.open(FakeTransport(), batched=False, peer="test").close(4001, "slow consumer")
    for histogram in (world.hub.metrics.flush, world.hub.metrics.loop_lag):
        histogram.observe(0.002)
    return world


def scraped(world: World, *sources: StubSource, accept: str = "") -> Samples:
    text, _ = Exposition(world.registry, lambda: sources).text(accept)
    families = (parse_open if accept else parse)(text.decode())
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", OPEN])
def test_a_scrape_tells_what_the_feed_did(accept: str) -> None:
    found = scraped(busy(), StubSource("replay", "live"), accept=accept)
    assert found["feed_ticks_in_total", "quotes"] == 3
    assert found["feed_ticks_in_total", "trades"] == 1
    assert found["feed_ticks_in_total", "bars"] == 0
    handed = [found["feed_ticks_out_total", channel] for channel in CHANNELS]
    assert (sum(handed), handed[3]) == (6, 0)
    assert found["feed_ticks_encoded_total", ""] == 3
    assert found["feed_sessions", ""] == 2
    assert found["feed_sessions_behind", ""] == 1
    assert found["feed_outbox_bytes", ""] > 100
    assert found["feed_subscriptions", ""] == 4
    assert found["feed_sessions_opened_total", ""] == 3
    assert found["feed_session_closes_total", "4001"] == 1
    assert found["feed_journal_bytes", ""] > 0
    assert found["feed_info", feed.__version__] == 1


def test_a_scrape_tells_how_the_sources_are() -> None:
    found = scraped(World(), StubSource("replay", "live"), StubSource("other", "ended"))
    assert (found["feed_source_live", "replay"], found["feed_source_live", "other"]) == (1, 0)
    assert found["feed_source_ticks_total", "replay"] == 7
    assert found["feed_source_lag_seconds", "replay"] == 0.25
    assert found["feed_source_ts_event_seconds", "replay"] == 1.5


def test_buckets_of_a_histogram_add_up() -> None:
    found = scraped(busy())
    buckets = [found["feed_loop_lag_seconds_bucket", str(bound)] for bound in (*SECONDS, "+Inf")]
    assert buckets == [0] * SECONDS.index(0.0025) + [1] * (len(buckets) - SECONDS.index(0.0025))
    assert (found["feed_loop_lag_seconds_count", ""], found["feed_loop_lag_seconds_sum", ""]) == (
        1,
        0.002,
    )


def test_a_new_feed_has_every_metric_but_those_of_what_never_happened() -> None:
    names = {name for name, _ in scraped(World())}
    never = {"feed_session_closes_total", "feed_http_requests_total"}
    sources = {name for name, _ in scraped(busy()) if name.startswith("feed_source")}
    assert {name for name, _ in scraped(busy())} - names <= never | sources


def test_a_symbol_is_never_a_label() -> None:
    text, _ = Exposition(busy().registry, lambda: ()).text("")
    labels = {
        name for family in parse(text.decode()) for own in family.samples for name in own.labels
    }
    assert labels <= {"channel", "code", "le", "source", "status", "version"}


def test_a_scrape_over_http_counts_itself_in_the_next_one() -> None:
    async def ask() -> tuple[str, bytes]:
        async with serving(World()) as port:
            await answer(port, request("/metrics"))
            return await answer(port, request("/metrics", f"Accept: {OPEN}"))

    head, body = asyncio.run(ask())
    assert "Content-Type: application/openmetrics-text" in head
    assert b'feed_http_requests_total{status="200"} 1.0\n' in body
    assert body.endswith(b"# EOF\n")
