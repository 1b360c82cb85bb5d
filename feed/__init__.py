"""feed: market data streamed to exactly the clients that subscribed to it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from feed.errors import FeedError
from feed.ticks import Bar, Quote, Status, Tick, Trade

if TYPE_CHECKING:
    from feed.client.aio import connect
    from feed.client.background import serve_in_background
    from feed.client.collect import ticks
    from feed.client.history import history
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
    "history",
    "serve_in_background",
    "tape",
    "ticks",
]

_LAZY = {
    "Live": "feed.client.live",
    "connect": "feed.client.aio",
    "serve_in_background": "feed.client.background",
}

_CALLED = {
    "history": ("feed.client.history", "history"),
    "tape": ("feed.tape.view", "open_view"),
    "ticks": ("feed.client.collect", "ticks"),
}
"""Names that are a module and, as `feed.ticks(url, …)` and `feed.tape(path)`, also a function."""


def __getattr__(name: str) -> Any:
    """Import what is used on first use, so that `import feed` stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module 'feed' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """Name what is lazy, too, for whoever completes by Tab."""
    return sorted({*globals(), *__all__})


class _Called(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        module, function = _CALLED[self.__name__.removeprefix("feed.")]
        return getattr(import_module(module), function)(*args, **options)


for _name in _CALLED:
    import_module(f"feed.{_name}").__class__ = _Called
