"""feed: market data streamed to exactly the clients that subscribed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feed.errors import FeedError
from feed.ticks import Bar, Quote, Status, Tick, Trade

if TYPE_CHECKING:
    from feed.client.aio import connect
    from feed.client.live import Live
    from feed.tape.view import open_view as tape

__version__ = "0.1.0"
__all__ = [
    "Bar",
    "FeedError",
    "Live",
    "Quote",
    "Status",
    "Tick",
    "Trade",
    "__version__",
    "connect",
    "tape",
]

_LAZY = {
    "Live": "feed.client.live",
    "connect": "feed.client.aio",
}


def __getattr__(name: str) -> Any:
    """Import what is used on first use, so that `import feed` stays fast."""
    from importlib import import_module

    if name == "tape":  # the package, which can be called
        return import_module("feed.tape")
    if name not in _LAZY:
        raise AttributeError(f"module 'feed' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)
