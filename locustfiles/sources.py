"""The sources of a feed, made to play faster or slower by whoever may control them."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote
from urllib.request import Request, urlopen

from feed.errors import FeedError

LIMIT_S: Final = 5.0


class Sources:
    """Those that can be controlled.

    Args:
        url: of /v1/sources.

    Raises:
        FeedError: there are none, or not for us.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        sources = self._ask(url)["sources"]
        self._speeds = {own["name"]: own["speed"] for own in sources if own["controllable"]}
        if not self._speeds:
            raise FeedError(f"none of the {len(sources)} sources of {url} may be controlled by us")

    def play_at(self, share: float) -> None:
        """Play at a share of the speed that was found.

        Raises:
            FeedError: it was refused.
        """
        for name, speed in self._speeds.items():
            command = {"action": "speed", "speed": speed * share}
            self._ask(f"{self._url}/{quote(name, safe='')}", json.dumps(command).encode())

    def _ask(self, url: str, body: bytes | None = None) -> Any:
        try:
            with urlopen(Request(url, body, self._headers), timeout=LIMIT_S) as answer:
                return json.load(answer)
        except (OSError, HTTPException, ValueError) as error:
            raise FeedError(f"{url} does not control sources: {error}") from None
