"""Snapshots as they go out: each is made once for all who ask for it before its next tick."""

from __future__ import annotations

from typing import Final

from feed.hub.hub import Hub
from feed.protocol.codec import encode
from feed.protocol.frames import text_frame
from feed.protocol.messages import Snapshot

KEPT: Final = 4_096
"""How many are kept, at less than a kilobyte each."""

Key = tuple[str, tuple[str, ...], frozenset[str]]
Seqs = list[int]


class Snapshots:
    """The snapshots of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._last_values = hub.last_values
        self._streams = hub.index.by_kind.values()
        self._kept: dict[Key, tuple[Seqs, bytes]] = {}

    def frame(self, symbol: str, channels: tuple[str, ...], allowed: frozenset[str]) -> bytes:
        """Give the snapshot of a symbol as a message.

        Args:
            channels: those that begin, whose seqs it has.
            allowed: those that the session may have.
        """
        key = symbol, channels, allowed
        seqs = [own[symbol].seq if symbol in own else 0 for own in self._streams]
        kept = self._kept.get(key)
        if kept is not None and kept[0] == seqs:
            return kept[1]
        snapshot = only(self._last_values.snapshot(symbol, channels), allowed)
        frame = text_frame(encode(snapshot))
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[key] = seqs, frame
        return frame

    def clear(self) -> None:
        """Keep none of an earlier numbering."""
        self._kept.clear()


def only(snapshot: Snapshot, channels: frozenset[str]) -> Snapshot:
    """Leave out of a snapshot what is of other channels; the statistics are of trades."""
    if "quotes" not in channels:
        snapshot.quote = None
    if "trades" not in channels:
        snapshot.trade = snapshot.session = None
    if "bars" not in channels:
        snapshot.bar = None
    if "status" not in channels:
        snapshot.status = None
    return snapshot
