"""feed: market data streamed to exactly the clients that subscribed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feed.errors import FeedError
from feed.ticks import Bar, Quote, Status, Tick, Trade

if TYPE_CHECKING:
    from feed.client.aio import connect

__version__ = "0.1.0"
__all__ = ["Bar", "FeedError", "Quote", "Status", "Tick", "Trade", "__version__", "connect"]

_LAZY = {"connect": "feed.client.aio"}


def __getattr__(name: str) -> Any:
    """Import the client on first use, so that `import feed` stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module 'feed' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
