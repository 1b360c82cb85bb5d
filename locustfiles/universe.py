"""Which symbols there are, and how far their streams have come: asked of the feed itself."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import gevent

from feed.client.commands import Positions, Terms
from feed.client.conversation import Conversation
from feed.client.handshake import read_url
from feed.client.transport import Disconnected
from feed.clock import SystemClock
from feed.codes import CloseCode
from feed.errors import FeedError
from feed.protocol.codec import encode
from locustfiles.tally import Tally
from locustfiles.wire import Wire, dial

LIMIT_S: Final = 10.0
QUIET_S: Final = 0.5
"""How long no further snapshot has come when all are taken to be there."""


def discover(url: str, token: str | None, channels: Sequence[str]) -> list[str]:
    """Give the symbols of a feed: those it sends a snapshot of to whoever asks for everything.

    Raises:
        FeedError: the feed cannot be asked, or has none.
    """
    return sorted(_survey(url, token, channels, Tally()).snapshots)


def newest(url: str, token: str | None, channels: Sequence[str], tally: Tally) -> Positions:
    """Give how far the streams of a feed have come.

    Args:
        tally: where the connection that asks is counted, as the feed counts it.

    Raises:
        FeedError: the feed cannot be asked.
    """
    conversation = _survey(url, token, channels, tally)
    seqs: dict[str, dict[str, int]] = {}
    for symbol, snapshot in conversation.snapshots.items():
        for channel, seq in snapshot.seqs.items():
            seqs.setdefault(channel, {})[symbol] = seq
    return Positions(conversation.ledger.epoch, seqs)


def _survey(url: str, token: str | None, channels: Sequence[str], tally: Tally) -> Conversation:
    """Ask for everything, and wait until no further snapshot comes."""
    wire = dial(read_url(url))
    conversation = Conversation(clock=SystemClock(), tell=lambda event: None)
    reading = gevent.spawn(_listen, wire, conversation, token, list(channels))
    deadline_s = time.monotonic() + LIMIT_S
    known = -1
    while not known or known < len(conversation.snapshots):
        known = len(conversation.snapshots)
        reading.join(QUIET_S)
        if reading.ready() or time.monotonic() > deadline_s:
            break
    wire.close()
    reading.join(1.0)
    wire.abort()
    if not conversation.snapshots:
        raise FeedError(f"there is no symbol to subscribe to ({reading.get(timeout=1.0)})")
    tally.tried += 1
    tally.opened += 1
    tally.received_bytes += wire.taken()
    tally.codes[CloseCode.NORMAL] = tally.codes.get(CloseCode.NORMAL, 0) + 1
    return conversation


def _listen(
    wire: Wire, conversation: Conversation, token: str | None, channels: list[str]
) -> FeedError | Disconnected:
    """Ask for everything, read until the end, and give what it ended with."""
    try:
        while conversation.welcome is None:
            conversation.take(wire.receive())
        commands = [*conversation.open(token)]
        commands += conversation.subscribe(["*"], channels, Terms("latest", 60_000))
        for command in commands:
            wire.send(encode(command))
        while True:
            conversation.take(wire.receive())
    except (FeedError, Disconnected) as end:
        return end


class Popularity:
    """Draws symbols as people do: the n-th most popular one `n ** exponent` times less often."""

    def __init__(self, symbols: Sequence[str], exponent: float, seed: int = 7) -> None:
        self._symbols = list(symbols)
        random.Random(seed).shuffle(self._symbols)  # the same ranks in every process
        weights = (1 / rank**exponent for rank in range(1, len(self._symbols) + 1))
        self._cumulative = list(accumulate(weights))

    def draw(self, count: int, without: Sequence[str] = ()) -> list[str]:
        """Give so many different symbols, or as many as there are."""
        taken = set(without)
        wanted = min(count, len(self._symbols) - len(taken & set(self._symbols)))
        drawn: list[str] = []
        while len(drawn) < wanted:
            (symbol,) = random.choices(self._symbols, cum_weights=self._cumulative)
            if symbol not in taken:
                taken.add(symbol)
                drawn.append(symbol)
        return drawn
