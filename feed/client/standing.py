"""How a connection stands: what it asked for and was told, what it has read and counted."""

from __future__ import annotations

from collections.abc import Sequence

from feed.client.conversation import Conversation
from feed.client.line import Line
from feed.client.stats import Stats
from feed.protocol.messages import Rejection, Snapshot, SourcePosition
from feed.ticks import Tick


class Standing:
    """What a connection knows, to be read at any time; nothing here waits."""

    def __init__(self, line: Line, conversation: Conversation) -> None:
        self._line = line
        self._conversation = conversation

    @property
    def subscriptions(self) -> dict[str, list[str]]:
        """What the server last said it sends: channel -> names and patterns."""
        return self._conversation.subscriptions

    @property
    def rejected(self) -> list[Rejection]:
        """The symbols that were asked for and are not sent, or not on every channel, and why."""
        return list(self._conversation.rejections.values())

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._line.connected

    @property
    def epoch(self) -> str:
        """The numbering that seqs belong to."""
        return self._conversation.ledger.epoch

    @property
    def epochs(self) -> Sequence[tuple[int, str]]:
        """Each numbering so far: how many ticks had come before its first one, and its label."""
        return self._conversation.epochs

    @property
    def sources(self) -> dict[str, str]:
        """Each source's state, as the last heartbeat had it: live, paused, ended or stalled."""
        return self._conversation.sources

    @property
    def all_ended(self) -> bool:
        """Whether every source has published its last tick, as the last heartbeat had it."""
        states = self.sources.values()
        return bool(states) and all(state == "ended" for state in states)

    @property
    def expects_none(self) -> bool:
        """Whether no more ticks are to be expected: nothing is subscribed, or all have ended."""
        return self.all_ended or not any(self.subscriptions.values())

    @property
    def source_positions(self) -> dict[str, SourcePosition]:
        """How far each source has come, as the last heartbeat had it."""
        return self._conversation.positions

    @property
    def stats(self) -> Stats:
        """Counts and latencies since the connection was made."""
        return self._conversation.stats

    @property
    def gaps(self) -> int:
        """How often ticks were lost; `stats.lost` is how many."""
        return self.stats.gaps

    @property
    def skipped(self) -> int:
        """How many ticks the server said it deliberately did not send."""
        return self.stats.skipped

    @property
    def snapshots(self) -> dict[str, Snapshot]:
        """The latest snapshot of each symbol."""
        return self._conversation.snapshots

    def last(self, symbol: str, channel: str = "quotes") -> Tick | None:
        """Give the newest tick read of a stream, its snapshot's included."""
        return self._conversation.ledger.last(channel, symbol)

    def positions(self) -> dict[str, dict[str, int]]:
        """Give the last seq read of each stream: channel -> symbol -> seq."""
        return self._conversation.ledger.positions()

    @property
    def doubtful(self) -> set[tuple[str, str]]:
        """Streams, by channel and symbol, that may have ended as the entitlements have changed."""
        return self._conversation.ledger.doubtful
