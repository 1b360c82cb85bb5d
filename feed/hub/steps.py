"""Long work is done in steps, so that nobody holds the loop for more than a moment.

A generator that does such work counts its pieces with a `Pace` and yields when it is told to.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

Steps = Generator[None, None, None]
"""Work that is done up to the next `yield` at a time."""

STEP: Final = 1_000
"""How many small pieces of work make a step: a millisecond or so."""


class Pace:
    """Counts pieces of work; calling it counts some, and tells whether it is others' turn now."""

    __slots__ = ("_left", "_step")

    def __init__(self, step: int | None = None) -> None:
        self._left = self._step = step or STEP

    def __call__(self, pieces: int = 1) -> bool:
        self._left -= pieces
        if self._left > 0:
            return False
        self._left = self._step
        return True


def finish(work: Generator[Any, None, _T]) -> _T:
    """Do all that is left of some work at once, and give what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
