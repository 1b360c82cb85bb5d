"""`POST /v1/ticks`: publish over HTTP, with the checks and the answer of the stream's `publish`.

Lines (NDJSON) are published as they arrive, in small steps between turns of the loop; an object or
a list only when it is whole, so that is limited more. Whatever was published stays so, also when
the rest of the request never comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from tornado.web import stream_request_body

from feed import codes
from feed.errors import MessageError
from feed.protocol.codec import PUBLISH_TICKS, read_lines, read_ticks
from feed.protocol.messages import Published
from feed.protocol.newticks import read_tick
from feed.server.rest import ApiHandler, Refused
from feed.sessions.registry import Registry

LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
"""Content types of bodies that are one JSON object per line."""

BODY_BYTES: Final = 16_777_216
DOCUMENT_BYTES: Final = 1_048_576
"""What an object or a list may take: parsing that holds the loop for a few milliseconds."""

TICKS: Final = 200_000
"""Most ticks in one request: their seqs are the answer."""

REJECTED: Final = 1_000
"""How many rejections are told; `seqs` shows them all."""

BODY_TIMEOUT_S: Final = 300.0


@stream_request_body
class PublishHandler(ApiHandler):
    """Takes one tick, a list of them, or lines."""

    def prepare(self) -> None:
        """Find out who publishes, and get ready for a long body."""
        super().prepare()
        self._failure: Refused | None = None
        self._answer = Published(0, [], [])
        self._held = b""
        if not self.principal.publish:
            text = f"{self.principal.name} may not publish on this feed"
            raise Refused(403, codes.NOT_ENTITLED, text)
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self._by_line = kind in LINES
        connection: Any = self.request.connection
        connection.set_max_body_size(BODY_BYTES)
        connection.set_body_timeout(BODY_TIMEOUT_S)

    async def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body; nothing more of it is read until that is done."""
        if self._failure is not None:
            return
        self._held += chunk
        if self._by_line:
            *lines, self._held = self._held.split(b"\n")
            await self._take_lines(lines)
        limit = self.registry.limits.message_bytes if self._by_line else DOCUMENT_BYTES
        if len(self._held) > limit:
            what = "a line" if self._by_line else "an object or a list (send lines instead)"
            self._refuse(f"{what} must be at most {limit:,} bytes")

    async def post(self) -> None:
        """Take what is left, and say what became of it all."""
        if self._failure is None and self._by_line:
            await self._take_lines([self._held])
        elif self._failure is None:
            await self._take_document()
        if self._failure is not None:
            raise self._failure
        self.say(self._answer)

    async def _take_lines(self, lines: list[bytes]) -> None:
        some = [line for line in lines if line.strip()]
        for part in self._parts(some):
            await self._take(read_lines(part))

    async def _take_document(self) -> None:
        try:
            values = read_ticks(self._held)
        except MessageError as error:
            self._failure = Refused(400, error.code, str(error))
            return
        for part in self._parts(values):
            await self._take([read_tick(value) for value in part])

    def _parts(self, items: list[Any]) -> Iterator[list[Any]]:
        """Give what is taken at a time, until the request is refused: then nothing more is."""
        rest: Iterable[Any] = iter(items)
        while self._failure is None and (part := list(islice(rest, PUBLISH_TICKS))):
            yield part

    async def _take(self, ticks: list[Any]) -> None:
        """Publish some ticks, and let others have their turn."""
        answer, before = self._answer, len(self._answer.seqs)
        if before + len(ticks) > TICKS:
            self._refuse(f"a request may hold {TICKS:,} ticks, the first {before:,} were published")
            return
        receipt = self.registry.publish(self.principal, ticks)
        for bad in receipt.rejected[: REJECTED - len(answer.rejected)]:
            bad.index += before
            answer.rejected.append(bad)
        answer.accepted += len(receipt.ticks)
        answer.seqs += receipt.seqs
        await asyncio.sleep(0)

    def _refuse(self, text: str) -> None:
        self._failure = self._failure or Refused(413, codes.LIMIT_EXCEEDED, text)


def routes(registry: Registry) -> list[tuple[str, Any, dict[str, object]]]:
    """Give the address to publish to."""
    return [(r"/v1/ticks", PublishHandler, {"registry": registry})]
