"""Ticks as the bodies of HTTP answers: JSON, lines of JSON, CSV, Arrow and Parquet.

Each format is written in three steps, so that a body of any length passes through in chunks. The
columns of Arrow and Parquet are made on another thread, as packing them takes its time.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from feed.history.log import Page
from feed.history.want import Want
from feed.protocol.codec import encode, encode_ticks
from feed.tape.arrow import ArrowBody, ParquetBody, fields_of
from feed.ticks import CHANNEL_OF, Tick

KIND_OF: Final = {channel: kind for kind, channel in CHANNEL_OF.items()}


class Writer(Protocol):
    """One body in the making."""

    async def head(self) -> bytes: ...

    async def chunk(self, ticks: list[Tick]) -> bytes: ...

    async def tail(self) -> bytes: ...


class Json:
    """One object, with the ticks as they are on the stream."""

    def __init__(self, want: Want, page: Page) -> None:
        self._want = want
        self._page = page
        self._some = False

    async def head(self) -> bytes:
        """Say what it is that follows."""
        told = {
            "symbol": self._want.symbol,
            "channel": self._want.channel,
            "epoch": self._page.epoch,
        }
        if self._want.interval is not None:
            told["interval"] = self._want.interval
        return encode(told)[:-1] + b',"ticks":['

    async def chunk(self, ticks: list[Tick]) -> bytes:
        """Give the next ticks."""
        lead = b"," if self._some and ticks else b""
        self._some = self._some or bool(ticks)
        return lead + b",".join(encode_ticks(ticks))

    async def tail(self) -> bytes:
        """Say where the log goes on."""
        after = self._page.next
        return b'],"next":' + encode(str(after) if after else None) + b"}\n"


class Ndjson:
    """One tick a line, as on the stream."""

    def __init__(self, want: Want, page: Page) -> None:
        pass

    async def head(self) -> bytes:
        """Give nothing: each line stands for itself."""
        return b""

    async def chunk(self, ticks: list[Tick]) -> bytes:
        """Give the next ticks."""
        return b"".join(own + b"\n" for own in encode_ticks(ticks))

    async def tail(self) -> bytes:
        """Give nothing."""
        return b""


class Csv:
    """A row of names, and one row for each tick; what is not known is empty."""

    def __init__(self, want: Want, page: Page) -> None:
        self._kind = KIND_OF[want.channel]

    async def head(self) -> bytes:
        """Give the names."""
        return _rows([fields_of(self._kind)])

    async def chunk(self, ticks: list[Tick]) -> bytes:
        """Give the next ticks."""
        return _rows(list(map(msgspec.structs.astuple, ticks)))

    async def tail(self) -> bytes:
        """Give nothing."""
        return b""


class Columns:
    """What `feed.tape.arrow` makes of ticks."""

    def __init__(self, body: type[ArrowBody | ParquetBody], want: Want) -> None:
        self._open = partial(body, KIND_OF[want.channel])
        self._body: ArrowBody | ParquetBody | None = None

    async def head(self) -> bytes:
        """Begin; the first one of a process takes a moment, as it loads the library."""
        self._body = await asyncio.to_thread(self._open)
        return b""

    async def chunk(self, ticks: list[Tick]) -> bytes:
        """Give the next bytes."""
        assert self._body is not None
        return await asyncio.to_thread(self._body.write, ticks)

    async def tail(self) -> bytes:
        """Give the last bytes."""
        assert self._body is not None
        return await asyncio.to_thread(self._body.close)


def _rows(rows: list[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


Make = Callable[[Want, Page], Writer]

FORMATS: Final[dict[str, tuple[str, Make]]] = {
    "json": ("application/json", Json),
    "ndjson": ("application/x-ndjson", Ndjson),
    "csv": ("text/csv; charset=utf-8; header=present", Csv),
    "arrow": ("application/vnd.apache.arrow.stream", lambda want, _: Columns(ArrowBody, want)),
    "parquet": ("application/vnd.apache.parquet", lambda want, _: Columns(ParquetBody, want)),
}
"""By the word for `format=`: the media type, and what writes it."""


def accepted(accept: str) -> str | None:
    """Give the format that an Accept header likes best; None when it takes none of them."""
    best, liked = None, 0.0
    for place in accept.lower().split(",") if accept else ["*/*"]:
        media, _, options = place.partition(";")
        quality = _quality(options)
        name = _named(media.strip())
        if name and quality > liked:
            best, liked = name, quality
    return best


def _named(media: str) -> str | None:
    if media in ("*/*", "application/*"):
        return "json"
    if media == "text/*":
        return "csv"
    types = {own.partition(";")[0]: name for name, (own, _) in FORMATS.items()}
    return types.get(media)


def _quality(options: str) -> float:
    for option in options.split(";"):
        name, _, value = option.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
