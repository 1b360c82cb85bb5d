"""`POST /v1/ticks`: publish over HTTP, with the checks and the answer of the stream's `publish`.

Lines (NDJSON) are published as they arrive, in small steps between turns of the loop; an object or
a list only when it is whole, so that is limited more. Whatever was published stays so, also when
the rest of the request never comes. That may take minutes, so before each step it is asked anew
whether the principal may publish.
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
from feed.server.access import Unauthorized, renewed
from feed.server.rest import UNAUTHENTICATED, ApiHandler, Refused
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
            raise Refused(403, codes.NOT_ENTITLED, self._may_not)
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
            self._refuse(_too_much(f"{what} must be at most {limit:,} bytes"))

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
            text = f"a request may hold {TICKS:,} ticks, the first {before:,} were published"
            self._refuse(_too_much(text))
        self._ask_again()
        if self._failure is not None:
            return
        receipt = self.registry.publish(self.principal, ticks)
        for bad in receipt.rejected[: REJECTED - len(answer.rejected)]:
            bad.index += before
            answer.rejected.append(bad)
        answer.accepted += len(receipt.ticks)
        answer.seqs += receipt.seqs
        await asyncio.sleep(0)

    def _ask_again(self) -> None:
        """Refuse the rest if the principal may not publish any more."""
        told = f"the first {len(self._answer.seqs):,} ticks were published"
        try:
            self.principal = renewed(self.principal, self.registry)
        except Unauthorized as error:
            self._refuse(Refused(401, UNAUTHENTICATED, f"{error.told}, {told}"))
        if not self.principal.publish:
            self._refuse(Refused(403, codes.NOT_ENTITLED, f"{self._may_not}, {told}"))

    @property
    def _may_not(self) -> str:
        return f"{self.principal.name} may not publish on this feed"

    def _refuse(self, refused: Refused) -> None:
        self._failure = self._failure or refused


def _too_much(text: str) -> Refused:
    return Refused(413, codes.LIMIT_EXCEEDED, text)


def routes(registry: Registry) -> list[tuple[str, Any, dict[str, object]]]:
    """Give the address to publish to."""
    return [(r"/v1/ticks", PublishHandler, {"registry": registry})]
