"""What comes over a page's WebSocket, and what the Python client's ledger makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from feed.client.events import Disorder, Gap
from feed.client.ledger import Ledger
from feed.protocol.codec import decode
from feed.protocol.messages import Epoch, Resumed, Skipped, Snapshot, Subscribed, Welcome
from feed.ticks import CHANNEL_OF

RECORD: Final = """
window.wire = [];
window.WebSocket = class extends WebSocket {
    constructor(...rest) {
        super(...rest);
        const heard = ({ data }) => this.onmessage && wire.push(["heard", data]);
        this.addEventListener("message", heard);
    }
    send(text) {
        wire.push(["said", text]);
        super.send(text);
    }
};
"""
"""Runs in a page before its scripts: only what those hear is noted."""

TAKE: Final = "() => wire.splice(0)"


class Account:
    """Counts that a page shows, found by another program from the same messages.

    Attributes:
        subscriptions: what the server last said it sends.
        told: every gap and disorder.
    """

    def __init__(self) -> None:
        self.subscriptions: dict[str, list[str]] = {}
        self.told: list[Gap | Disorder] = []
        self._ledger = Ledger(self.told.append)
        self._leaving: set[Any] = set()
        self._counts = {"skipped": 0, "resumed": 0}

    @property
    def figures(self) -> dict[str, str]:
        """Give the counts as the page writes them."""
        gaps = [own for own in self.told if isinstance(own, Gap)]
        lost = f"{len(gaps):,} ({sum(own.count for own in gaps):,} ticks)" if gaps else "0"
        return {**{name: f"{count:,}" for name, count in self._counts.items()}, "gaps": lost}

    def take(self, wire: Iterable[list[str]]) -> None:
        """Take in what a page has said and heard since."""
        for kind, text in wire:
            if kind == "heard":
                self._hear(decode(text))
                continue
            command = json.loads(text)
            if command["type"] == "unsubscribe":
                self._leaving.add(command["id"])

    def _hear(self, message: Any) -> None:
        match message:
            case list():
                self._ledger.take(message)
            case Welcome() | Epoch():
                self._ledger.welcome(message.epoch)
            case Snapshot():
                self._ledger.snapshot(message)
            case Skipped():
                self._counts["skipped"] += message.count
                self._ledger.skipped(message)
            case Resumed():
                if message.complete:
                    self._counts["resumed"] += message.to_seq - message.from_seq + 1
                self._ledger.resumed(message)
            case Subscribed():
                self.subscriptions = message.subscriptions
                if message.id in self._leaving:
                    self._ledger.keep(message.subscriptions)
                if message.id is None:
                    self._ledger.doubt(message.subscriptions, _lost(message))
            case _ if type(message) in CHANNEL_OF:
                self._ledger.take([message])


def _lost(ack: Subscribed) -> set[str] | None:
    return None if ack.rejected_total else {own.symbol for own in ack.rejected}
