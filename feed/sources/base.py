"""What the node asks of a source of ticks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from feed.tape.slices import Slice

if TYPE_CHECKING:
    from feed.sources.controls import Controls
    from feed.sources.pace import Position

Publish = Callable[[Slice], object]
"""Hand a burst of unstamped ticks to the tickerplant, as rows of a block; synchronous. What it
gives is true when somebody did not take all of it: who can wait had better."""

SourceState = Literal["live", "paused", "ended", "stalled"]

BURST_TICKS = 4_000
"""The most ticks a source publishes before it yields to the event loop: a few milliseconds of work.
Whoever takes many of them is sent some meanwhile (`feed.hub.intake`)."""


class Source(Protocol):
    """A producer of ticks that runs until it ends or is cancelled.

    Attributes:
        name: unique in the process; what heartbeats, logs and metrics call it.
        symbols: every symbol it will ever publish, or None when that cannot be known before
            (then any well-formed symbol may be subscribed).
        state: live, paused, ended or stalled.
        total: ticks of one pass, or None when that is not known.
        position: the tape time and count of what has been published.
        controls: what may be done to it while it plays; None where that is nothing.
        brings_bars: whether the feed need not make bars of its ticks.
    """

    name: str
    total: int | None

    @property
    def symbols(self) -> frozenset[str] | None: ...

    @property
    def state(self) -> SourceState: ...

    @property
    def position(self) -> Position: ...

    @property
    def controls(self) -> Controls | None: ...

    @property
    def brings_bars(self) -> bool: ...

    async def run(self, publish: Publish) -> None:
        """Publish ticks in order until the end or cancellation.

        Raises:
            TapeError, SourceError: when it cannot go on.
        """
