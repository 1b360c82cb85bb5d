"""How much one session may ask for and how much it may make the feed hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one session; docs/SETTINGS.md has the settings behind them.

    Attributes:
        outbox_bytes: unsent bytes that end a session with 4001.
        subscriptions: (channel, pattern) pairs it may hold.
        wildcards: how many of those may be patterns.
        message_bytes: the largest command.
    """

    outbox_bytes: int = 1_048_576
    subscriptions: int = 10_000
    wildcards: int = 100
    message_bytes: int = 65_536

    @property
    def watermark_bytes(self) -> int:
        """Unsent bytes above which state is conflated; half the limit leaves room for events."""
        return self.outbox_bytes // 2
