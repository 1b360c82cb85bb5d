"""How a player is called where tests bring their own time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from feed.alarm import PlayDue
from feed.sources.pace import Repeat


def repeating(sleep: Callable[[float], Awaitable[None]]) -> Repeat:
    """Make what calls a player, and sleeps in between as it is told."""

    async def repeat(play_due: PlayDue) -> None:
        while (wait_s := play_due()) is not None:
            await sleep(wait_s)

    return repeat
