"""Slices as a player cuts them."""

from __future__ import annotations

from feed.tape.block import TickBlock
from feed.tape.slices import Slice, Slices


class Taking(Slices):
    """Gives its rows one slice after the other."""

    def __init__(self, block: TickBlock) -> None:
        super().__init__(block)
        self.row = 0

    def take(self, stop: int) -> Slice:
        """Give the rows from where the last slice ended to `stop`."""
        start, self.row = self.row, stop
        return Slice(self, start, stop)
