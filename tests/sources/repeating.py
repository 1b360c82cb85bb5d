"""How a player's turns are called where tests bring their own time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from feed.sources.controls import Turn
from feed.sources.pace import Repeat


def repeating(sleep: Callable[[float], Awaitable[None]]) -> Repeat:
    """Make what calls turns, and sleeps between them as it is told."""

    async def repeat(turn: Turn) -> None:
        while (wait_s := turn()) is not None:
            await sleep(wait_s)

    return repeat
