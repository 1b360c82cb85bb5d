"""Room for so many at a time, of which nobody takes all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tornado.httputil import HTTPServerRequest

from feed.server.gate import address_of
from feed.server.rest import BUSY, Refused
from feed.sessions.entitlements import STRANGER, Principal
from feed.sessions.registry import Registry


class Slots:
    """Places for answers that take long.

    Args:
        most: how many there are.
        each: how many one client may have at a time.

    Attributes:
        taken: how many each client has, by whatever stands for it.
    """

    def __init__(self, most: int, each: int) -> None:
        self.taken: Counter[str] = Counter()
        self._most: Final = most
        self._each: Final = each

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Have a place for as long as the block runs.

        Raises:
            Refused: 503, as there is none at the moment.
        """
        if self.taken.total() >= self._most:
            raise Refused(503, BUSY, f"{self._most} pages are on their way, try again")
        if self.taken[client] >= self._each:
            raise Refused(503, BUSY, f"{self._each} pages are on their way to you, try again")
        self.taken[client] += 1
        try:
            yield
        finally:
            self.taken[client] -= 1
            self.taken += Counter()  # those that have none are forgotten


def client_of(request: HTTPServerRequest, principal: Principal, registry: Registry) -> str:
    """Give what stands for who asks: a principal's name, or where a stranger comes from."""
    if principal.name == STRANGER:
        return f"{STRANGER} {address_of(request, registry)}"
    return principal.name
