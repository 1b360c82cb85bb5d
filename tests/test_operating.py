"""What the operators' page says of metrics is what a scrape tells."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as parse

from feed.recorder import Recorder
from feed.server.exposition import Exposition
from tests.server.test_exposition import busy
from tests.server.test_probes import StubSource

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "OPERATING.md").read_text("utf-8")


def names(folder: Path) -> set[str]:
    """Give every name of our own that a scrape has, histograms without the endings."""
    world = busy()
    world.hub.metrics.requests[200] = 1
    sources = [StubSource("replay", "live")]
    recorder = Recorder(folder, lambda: "a")
    text, _ = Exposition(world.registry, lambda: sources, recorder).text("")
    found = {own.name for family in parse(text.decode()) for own in family.samples}
    bare = {re.sub("_(bucket|count|sum)$", "", name) for name in found}
    return {name for name in bare if name.startswith("feed_") and not name.endswith("_created")}


def test_the_page_lists_every_metric_and_no_other(tmp_path: Path) -> None:
    assert set(re.findall(r"^\| `(feed_\w+)", PAGE, re.M)) == names(tmp_path)
