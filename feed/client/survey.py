"""How far the streams of a feed have come, asked of it over a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from feed.client.aio import Connection, connect
from feed.client.commands import Positions, Seqs
from feed.client.events import Epoch, Event, Snapshot
from feed.client.handshake import read_url
from feed.client.line import Token
from feed.errors import ConnectionFailed
from feed.symbols import SymbolSet

LIMIT_S: Final = 10.0
QUIET_S: Final = 0.5
"""How long no further snapshot has come when all are taken to be there."""

SELDOM_MS: Final = 60_000
"""The longest interval there is, as snapshots are wanted and no ticks."""


async def newest(
    url: str,
    subscriptions: Mapping[str, list[str]],
    known: Callable[[], Positions],
    *,
    token: Token = None,
) -> Positions:
    """Ask a feed how far the streams of some subscriptions have come.

    Args:
        url: of the feed.
        subscriptions: channel -> names and patterns, which the feed has confirmed.
        known: gives the streams that it certainly has, of which it is to tell in any case if they
            are among those. It is asked again, as rights may change meanwhile.
        token: whose view of the feed it is.

    Raises:
        FeedError: it cannot be asked, or does not tell in time.
    """
    survey = Survey(subscriptions, known)
    connection = connect(
        url,
        delivery="latest",
        interval_ms=SELDOM_MS,
        token=token,
        reconnect=False,
        on_event=survey.hear,
    )
    try:
        async with asyncio.timeout(LIMIT_S), connection:
            for channel, names in subscriptions.items():
                await connection.subscribe(names, channels=channel)
            await _listen(connection, survey)
    except TimeoutError:
        what = survey.missing(connection.epoch) or "its streams"
        text = f"{read_url(url).shown} did not tell within {LIMIT_S:g} s how far {what} is"
        raise ConnectionFailed(text) from None
    return Positions(connection.epoch, survey.seqs)


class Survey:
    """The snapshots of one connection.

    Args:
        subscriptions: of what.
        known: gives the streams of which there must be one: those that were known from the
            beginning, and are still.

    Attributes:
        seqs: how far each stream had come: channel -> symbol -> seq.
        told: how many snapshots have come.
    """

    def __init__(
        self, subscriptions: Mapping[str, list[str]], known: Callable[[], Positions]
    ) -> None:
        self.seqs: dict[str, dict[str, int]] = {}
        self.told = 0
        self._known = known
        first = known()
        self._first = Positions(first.epoch, _among(subscriptions, first.seqs))

    def hear(self, event: Event) -> None:
        """Take in a snapshot; a new numbering has its own."""
        if isinstance(event, Epoch):
            self.seqs.clear()
        if isinstance(event, Snapshot):
            self.told += 1
            for channel, seq in event.seqs.items():
                self.seqs.setdefault(channel, {})[event.symbol] = seq

    def missing(self, epoch: str) -> str | None:
        """Name a stream that is known and was not told of; of another numbering none is known."""
        now = self._known()
        if not epoch == now.epoch == self._first.epoch:
            return None
        for channel, first in self._first.seqs.items():
            known, told = now.seqs.get(channel, {}), self.seqs.get(channel, {})
            for symbol in first:
                if symbol in known and symbol not in told:
                    return f"{channel} {symbol}"
        return None


def _among(subscriptions: Mapping[str, list[str]], seqs: Seqs) -> Seqs:
    """Give the streams that are subscribed."""
    asked = {channel: SymbolSet(names) for channel, names in subscriptions.items()}
    return {
        channel: {symbol: seq for symbol, seq in seqs.get(channel, {}).items() if symbol in names}
        for channel, names in asked.items()
    }


async def _listen(connection: Connection, survey: Survey) -> None:
    """Read until all that is known has been told of, and no further snapshot comes."""
    told = -1
    while told < survey.told or survey.missing(connection.epoch):
        told = survey.told
        try:
            async with asyncio.timeout(QUIET_S):
                async for _ in connection.batches():
                    pass
        except TimeoutError:
            continue
        raise ConnectionFailed("the feed closed the connection")
