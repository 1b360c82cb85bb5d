"""Files that are read again when they change, without asking the system to be told."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

Mark = tuple[int, int, int] | None


class Watched:
    """Some files that belong together, such as a certificate and its key."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self._told = self._last = self._marks()

    def changed(self) -> bool:
        """Tell, once, that a file was written, replaced, made or removed.

        It is told when nothing has changed any more since this was last asked: who replaces two
        files, or writes one in parts, is not read half way.
        """
        before, self._last = self._last, self._marks()
        if self._last != before or self._last == self._told:
            return False
        self._told = self._last
        return True

    def _marks(self) -> list[Mark]:
        return [_mark(path) for path in self._paths]


def _mark(path: Path) -> Mark:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
