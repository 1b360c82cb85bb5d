"""The read half of the HTTP API: symbols, snapshots, ticks and bars; docs/HTTP.md.

A client that may not have a symbol is told the same as for one that does not exist, and a delayed
principal sees the log as it was then.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlencode

from tornado.iostream import StreamClosedError

from feed import codes
from feed.errors import MissingExtraError
from feed.history.log import History, Page
from feed.history.want import Want, read_position
from feed.hub.hub import Hub
from feed.hub.steps import STEP
from feed.protocol.describe import describe
from feed.server import rest
from feed.server.formats import FORMATS, Writer, accepted
from feed.server.rest import ApiHandler, Parse, Refused
from feed.server.slots import Slots, client_of
from feed.sessions.registry import Registry
from feed.sessions.requests import read_subscriptions
from feed.sessions.snapshots import only
from feed.symbols import SYMBOL_GRAMMAR, symbol_ok
from feed.ticks import CHANNELS, Tick

log = logging.getLogger(__name__)

STATUS: Final = {codes.BAD_SYMBOL: 400, codes.NOT_ENTITLED: 403}
LIMIT: Final = 1_000
LIMIT_MAX: Final = 100_000
SYMBOLS_MAX: Final = 1_000
CHUNK_TICKS: Final = 500
"""Encoded between two turns of the event loop: a fraction of a millisecond."""
WHOLE_TICKS: Final = 2_000
"""Up to here a body is made before it is sent, so that it has an ETag and a Link."""
STALLED_S: Final = 30.0
"""How long a reader may take none of a body before it is given up."""
CAUGHT_UP_S: Final = 5.0
"""How long a snapshot waits for a delayed hub that has yet to take in what is of age."""
PAGE_S: Final = 120.0
"""How long a reader may take for a whole page; the largest is some 15 MB."""
READERS: Final = 16
"""How many pages may be on their way at a time."""
READERS_EACH: Final = 8
"""And to one client: a page in a browser asks for six things at once."""


class SymbolsHandler(ApiHandler):
    """`/v1/symbols`: what there is."""

    parameters: Mapping[str, Parse] = {
        "filter": str,
        "limit": rest.whole(1, LIMIT_MAX),
        "next": rest.symbol,
    }

    def initialize(self, registry: Registry, history: History) -> None:  # type: ignore[override]
        """Take what the application was built with."""
        super().initialize(registry)
        self._history = history

    async def get(self) -> None:
        """Give the names in order, from `next` on."""
        limit = self.query.get("limit", LIMIT_MAX)
        async with self._history.turn:
            names = await self._some(limit + 1)
            self.say({"symbols": names[:limit], "next": names[limit] if names[limit:] else None})

    async def _some(self, count: int) -> list[str]:
        """Look through all names in steps."""
        ticked = {own.symbol for own in self.registry.hub.index.streams() if own.seq}
        names = sorted(ticked | (self.registry.universe.declared or set()))
        wanted, first = self.query.get("filter", "").lower(), self.query.get("next", "")
        found: list[str] = []
        for at in range(bisect_left(names, first), len(names), STEP):
            found += [own for own in names[at : at + STEP] if self._takes(own, wanted)]
            if len(found) >= count:
                break
            await asyncio.sleep(0)
        return found[:count]

    def _takes(self, name: str, wanted: str) -> bool:
        if name not in self.principal.subscribe:
            return False
        if wanted.endswith("*"):
            return name.lower().startswith(wanted[:-1])
        return wanted in name.lower()


class SnapshotHandler(ApiHandler):
    """`/v1/snapshot`: the latest state of some symbols."""

    parameters: Mapping[str, Parse] = {"symbols": str}

    def initialize(self, registry: Registry, history: History) -> None:  # type: ignore[override]
        """Take what the application was built with."""
        super().initialize(registry)
        self._history = history

    async def get(self) -> None:
        """Give one snapshot for each symbol, and say which are none."""
        names = self._names()
        channels = tuple(own for own in CHANNELS if own in self.principal.channels)
        asked, rejected = read_subscriptions(
            names, channels, self.registry.universe, self.principal
        )
        hub = await self._hub()
        async with self._history.turn:
            snapshots = []
            for name in dict.fromkeys(own.pattern for own in asked):
                snapshot = hub.last_values.snapshot(name, channels)
                snapshots.append(only(snapshot, self.principal.channels))
                await asyncio.sleep(0)
            epoch = self.registry.epoch
            self.say({"epoch": epoch, "snapshots": snapshots, "rejected": rejected})

    async def _hub(self) -> Hub:
        """Give the hub of who asks; one that was just begun is waited for."""
        tiers, delay_s = self.registry.tiers, self.principal.delay_s
        hub = tiers.of(delay_s).hub
        with suppress(TimeoutError):
            async with asyncio.timeout(CAUGHT_UP_S):
                while delay_s and tiers.behind:  # noqa: ASYNC110 - it is at work
                    await asyncio.sleep(0)
        return hub

    def _names(self) -> list[str]:
        names = [own for own in self.query.get("symbols", "").split(",") if own]
        if not 1 <= len(names) <= SYMBOLS_MAX:
            text = f"symbols must be 1 to {SYMBOLS_MAX} names parted by commas, were {len(names)}"
            raise Refused(400, rest.BAD_PARAMETER, text)
        for name in names:
            if not symbol_ok(name):
                text = f"symbols must each be {SYMBOL_GRAMMAR}, one was {describe(name)}"
                raise Refused(400, rest.BAD_PARAMETER, text)
        return names


class LogHandler(ApiHandler):
    """A page of one stream's log."""

    parameters: Mapping[str, Parse] = {
        "from": rest.time_ns,
        "to": rest.time_ns,
        "next": read_position,
        "limit": rest.whole(1, LIMIT_MAX),
        "format": rest.choice(*FORMATS),
    }
    slots = Slots(READERS, READERS_EACH)

    def initialize(self, registry: Registry, history: History) -> None:  # type: ignore[override]
        """Take what the application was built with."""
        super().initialize(registry)
        self._history = history

    async def answer(self, channel: str, symbol: str, interval: str | None = None) -> None:
        """Find the page and send it in the format that is asked for."""
        self._check(channel, symbol)
        format = self._format()
        want = self._want(channel, symbol, interval)
        with self.slots.take(client_of(self.request, self.principal, self.registry)):
            await self._send(format, want, await self._history.page(want))

    def _check(self, channel: str, symbol: str) -> None:
        _, rejected = read_subscriptions(
            [symbol], (channel,), self.registry.universe, self.principal
        )
        if rejected or "*" in symbol:
            code = rejected[0].code if rejected else codes.BAD_SYMBOL
            text = rejected[0].message if rejected else f"one symbol only, was {describe(symbol)}"
            raise Refused(STATUS.get(code, 404), code, text)

    def _want(self, channel: str, symbol: str, interval: str | None) -> Want:
        return Want(
            channel,
            symbol,
            self.query.get("limit", LIMIT),
            first=self.query.get("next"),
            from_ns=self.query.get("from"),
            to_ns=self.query.get("to"),
            interval=interval,
            until_ns=self._history.until_ns(self.principal.delay_s),
        )

    def _format(self) -> str:
        self.set_header("Vary", "Accept")
        format = self.query.get("format") or accepted(self.request.headers.get("Accept", ""))
        if format is None:
            types = ", ".join(own for own, _ in FORMATS.values())
            raise Refused(406, rest.NOT_ACCEPTABLE, f"Accept must allow one of {types}")
        return str(format)

    async def _send(self, format: str, want: Want, page: Page) -> None:
        content_type, make = FORMATS[format]
        self.set_header("Content-Type", content_type)
        self.set_header("Feed-Epoch", page.epoch)
        if page.next is not None:
            query = {**{n: self.get_query_argument(n) for n in self.query}, "next": str(page.next)}
            self.set_header("Link", f'<{self.request.path}?{urlencode(query)}>; rel="next"')
        writer = make(want, page)
        self.write(await self._begun(writer))
        streamed = len(page.ticks) > WHOLE_TICKS
        try:
            async with asyncio.timeout(PAGE_S):
                for at in range(0, len(page.ticks), CHUNK_TICKS):
                    await self._write(writer, page.ticks[at : at + CHUNK_TICKS], streamed)
        except StreamClosedError:
            return
        except TimeoutError:
            self.detach().close()
            text = "gave up a reader that took none of a page for %g s, or not all in %g s"
            log.info(text, STALLED_S, PAGE_S)
            return
        self.finish(await writer.tail())

    async def _begun(self, writer: Writer) -> bytes:
        try:
            return await writer.head()
        except MissingExtraError as error:
            raise Refused(406, rest.NOT_ACCEPTABLE, str(error)) from None

    async def _write(self, writer: Writer, ticks: list[Tick], streamed: bool) -> None:
        async with self._history.turn:
            self.write(await writer.chunk(ticks))
            await asyncio.sleep(0)
        if streamed:
            async with asyncio.timeout(STALLED_S):
                await self.flush()


class TicksHandler(LogHandler):
    """`/v1/ticks/SYMBOL`."""

    parameters: Mapping[str, Parse] = {**LogHandler.parameters, "channel": rest.channel}

    async def get(self, symbol: str) -> None:
        """Give ticks of one channel."""
        await self.answer(self.query.get("channel", "quotes"), symbol)


class BarsHandler(LogHandler):
    """`/v1/bars/SYMBOL`."""

    parameters: Mapping[str, Parse] = {**LogHandler.parameters, "interval": rest.interval}

    async def get(self, symbol: str) -> None:
        """Give bars of one interval."""
        await self.answer("bars", symbol, self.query.get("interval", "1m"))


class DocumentHandler(ApiHandler):
    """`/v1/openapi.json`: all of this for programs."""

    def get(self) -> None:
        """Give the document."""
        self.finish((files("feed.server") / "openapi.json").read_bytes())


def routes(registry: Registry, history: History) -> list[tuple[str, Any, dict[str, object]]]:
    """Give the addresses of the API."""
    shared: dict[str, object] = {"registry": registry, "history": history}
    return [
        (r"/v1/openapi\.json", DocumentHandler, {"registry": registry}),
        (r"/v1/symbols", SymbolsHandler, shared),
        (r"/v1/snapshot", SnapshotHandler, shared),
        (r"/v1/ticks/(.+)", TicksHandler, shared),
        (r"/v1/bars/(.+)", BarsHandler, shared),
    ]
