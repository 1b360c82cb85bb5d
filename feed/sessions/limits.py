"""How much sessions may ask for, how much they may make the feed hold, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass

from feed.sessions.rates import Rate


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of sessions; docs/SETTINGS.md has the settings behind them.

    Attributes:
        outbox_bytes: unsent bytes that end a session with 4001.
        subscriptions: (channel, pattern) pairs it may hold.
        wildcards: how many of those may be patterns.
        intervals: how many different `interval_ms` it may have.
        message_bytes: the largest command.
        silence_s: how long a peer may send nothing at all, not even a pong, before it is given up.
        sessions: how many there may be at a time.
        principal_sessions: how many of them one principal may have.
        unauthenticated_sessions: how many of them may have yet to say who they are.
        commands: how often a session may send one; None is as often as it can.
        mistakes: how many commands in a row may be refused, before the session is closed.
        authentication_s: how long a session may take to say who it is.
    """

    outbox_bytes: int = 1_048_576
    subscriptions: int = 10_000
    wildcards: int = 100
    message_bytes: int = 65_536
    silence_s: float = 25.0
    sessions: int = 1_000_000
    principal_sessions: int = 1_000_000
    unauthenticated_sessions: int = 1_000_000
    commands: Rate | None = None
    mistakes: int = 1_000
    authentication_s: float = 10.0
    intervals: int = 8

    @property
    def watermark_bytes(self) -> int:
        """Unsent bytes above which state is conflated; half the limit leaves room for events."""
        return self.outbox_bytes // 2
