"""`/v1/sources`: where the ticks come from, and for an admin what is to be done with a source."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Any, Final, Literal
from urllib.parse import unquote

import msgspec

from feed import codes
from feed.errors import SettingError
from feed.protocol.describe import describe, explain
from feed.server.access import require_admin
from feed.server.exposition import Sources
from feed.server.rest import NOT_FOUND, ApiHandler, Refused
from feed.sessions.entitlements import Principal
from feed.sessions.registry import Registry
from feed.settings.parse import moment
from feed.sources.base import Source
from feed.sources.controls import Controls

STEPS: Final = 1_000_000
"""Most ticks of one step."""

DONE_S: Final = 60.0
"""How long an answer waits; a seek on a long tape may take longer, and gets there all the same."""


class Control(msgspec.Struct):
    """The body of a request; what an action does not need is ignored."""

    action: Literal["pause", "resume", "speed", "seek", "step"]
    speed: float | None = None
    time: int | str | None = None
    count: int = 1


ALLOWED: Final = {
    "action": "'pause', 'resume', 'speed', 'seek' or 'step'",
    "speed": "a number of 0 or more (0 means as fast as possible)",
    "time": "ISO 8601 or integer nanoseconds since 1970",
    "count": "an integer",
}


def shown(source: Source, principal: Principal) -> dict[str, Any]:
    """Give what a principal is told of a source."""
    at = source.position
    return {
        "name": source.name,
        "state": source.state,
        "kind": type(source).__name__.lower(),
        "speed": at.speed,
        "ts_event": at.ts_event if principal.sees_positions else None,
        "ticks": at.ticks if principal.sees_positions else 0,
        "total": source.total,
        "controllable": principal.admin and source.controls is not None,
    }


class SourcesHandler(ApiHandler):
    """All of them."""

    def initialize(self, registry: Registry, sources: Sources = tuple) -> None:
        """Take what the application was built with."""
        super().initialize(registry)
        self.sources = sources

    def get(self) -> None:
        """List them."""
        self.say({"sources": [shown(own, self.principal) for own in self.sources()]})


class SourceHandler(ApiHandler):
    """One of them."""

    def initialize(self, registry: Registry, sources: Sources = tuple) -> None:
        """Take what the application was built with."""
        super().initialize(registry)
        self.sources = sources

    def get(self, name: str) -> None:
        """Show it."""
        self.say(shown(self._find(name), self.principal))

    async def post(self, name: str) -> None:
        """Do what the body says, and show what it is like then."""
        require_admin(self.principal)
        source = self._find(name)
        controls = source.controls
        if controls is None:
            raise _bad(f"{source.name} cannot be controlled")
        wanted = _read(self.request.body)
        if wanted.action == "step" and source.state in ("ended", "stalled"):
            raise _bad(f"{source.name} has {source.state}, seek back before")
        told = await _act(controls, wanted)
        if told:
            self.registry.announce(f"{source.name} {told}")
        self.say(shown(source, self.principal))

    def _find(self, name: str) -> Source:
        for source in self.sources():
            if source.name == unquote(name):
                return source
        raise Refused(404, NOT_FOUND, f"no source is called {describe(name)}")


def _read(body: bytes) -> Control:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise Refused(400, codes.BAD_JSON, "the body must be JSON") from None
    if not isinstance(value, dict):
        raise _bad(f"the body must be an object, was {describe(value)}")
    try:
        return msgspec.convert(value, Control)
    except msgspec.ValidationError as error:
        raise _bad(explain(value, str(error), ALLOWED)) from None


async def _act(controls: Controls, control: Control) -> str:
    """Carry it out; gives what everybody is told, which is nothing for steps and seeks."""
    match control.action:
        case "pause":
            controls.pause()
            return "is paused"
        case "resume":
            controls.resume()
            return "goes on"
        case "speed":
            return _speed(controls, control.speed)
        case "step":
            if not 1 <= control.count <= STEPS:
                raise _bad(f"count must be an integer from 1 to {STEPS}, was {control.count}")
            controls.step(control.count)
            await _done(controls)
        case "seek":
            await _seek(controls, control.time)
    return ""


def _speed(controls: Controls, speed: float | None) -> str:
    if speed is None or not math.isfinite(speed):
        raise _bad(f"speed must be {ALLOWED['speed']}, was {describe(speed)}")
    try:
        controls.play_at(speed)
    except SettingError as error:
        raise _bad(str(error)) from None
    return f"plays at speed {speed:g}" if speed else "plays as fast as possible"


async def _seek(controls: Controls, time: int | str | None) -> None:
    """Go there."""
    if not controls.seekable:
        raise _bad("this source cannot seek")
    try:
        ts_event = moment("" if time is None else time)
    except (ValueError, OverflowError):
        ts_event = None
    if ts_event is None or not -(2**63) <= ts_event < 2**63:
        raise _bad(f"time must be {ALLOWED['time']}, was {describe(time)}")
    controls.seek(ts_event)
    await _done(controls)


async def _done(controls: Controls) -> None:
    """Wait until a step or a seek is done, as what is shown then is what it is like there."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DONE_S):
            await controls.done()


def _bad(text: str) -> Refused:
    return Refused(400, codes.BAD_MESSAGE, text)


def routes(registry: Registry, sources: Sources) -> list[tuple[str, Any, dict[str, object]]]:
    """Give the addresses of the sources."""
    shared: dict[str, object] = {"registry": registry, "sources": sources}
    return [
        (r"/v1/sources", SourcesHandler, shared),
        (r"/v1/sources/([^/]+)", SourceHandler, shared),
    ]
