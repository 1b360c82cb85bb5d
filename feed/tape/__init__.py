"""The recorded-tick file format: reading, recognising, checking and merging tapes.

The package itself can be called, as `feed.tape("ticks.csv.gz")` opens one for research.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feed.tape.view import TapeView


class _Tape(ModuleType):
    def __call__(self, *paths: Any, **options: Any) -> "TapeView":
        """Open a tape for research; see feed.tape.view.open_view."""
        from feed.tape.view import open_view

        return open_view(*paths, **options)


sys.modules[__name__].__class__ = _Tape
