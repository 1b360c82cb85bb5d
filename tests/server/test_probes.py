from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
import pytest

from feed.sources.base import Publish, SourceState
from feed.sources.pace import Position
from tests.fakes import World
from tests.server.local import answer, request, serving


class StubSource:
    """A source in a state."""

    symbols: frozenset[str] | None = None
    total: int | None = None
    controls: Final = None
    brings_bars: Final = False

    def __init__(self, name: str, state: SourceState) -> None:
        self.name = name
        self.state = state
        self.position = Position(1_500_000_000, 7, 1.0, 0.25)

    async def run(self, publish: Publish) -> None:
        raise NotImplementedError


def asked(path: str, *sources: StubSource, draining: bool = False) -> tuple[str, Any]:
    async def ask() -> tuple[str, bytes]:
        world = World()
        world.registry.draining = draining
        async with serving(world, *sources) as port:
            return await answer(port, request(path))

    head, body = asyncio.run(ask())
    return head, orjson.loads(body)


def test_a_process_that_answers_is_healthy() -> None:
    head, body = asked("/healthz")
    assert head.startswith("HTTP/1.1 200 ")
    assert "Cache-Control: no-store" in head
    assert body == {"status": "ok"}


def test_a_feed_with_a_live_source_is_ready() -> None:
    sources = StubSource("old", "ended"), StubSource("new", "live")
    head, body = asked("/readyz", *sources)
    assert head.startswith("HTTP/1.1 200 ")
    assert body == {"ready": True, "reasons": [], "sources": {"old": "ended", "new": "live"}}


@pytest.mark.parametrize(
    ("state", "draining", "reasons"),
    [
        ("ended", False, ["no source is live"]),
        ("stalled", False, ["no source is live"]),
        ("live", True, ["draining"]),
        ("ended", True, ["draining", "no source is live"]),
    ],
)
def test_a_feed_that_is_not_ready_says_why(
    state: SourceState, draining: bool, reasons: list[str]
) -> None:
    head, body = asked("/readyz", StubSource("own", state), draining=draining)
    assert head.startswith("HTTP/1.1 503 ")
    assert (body["ready"], body["reasons"]) == (False, reasons)
