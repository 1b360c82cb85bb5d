"""When each simulated symbol ticks: in bursts, as real ones do."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]

SLAB_TICKS: Final = 8_192
"""The mean number of ticks in a slab: a few milliseconds of work for whoever asks for it."""

SLAB_MAX_NS: Final = 3_600_000_000_000
"""The longest slab, for rates of a few ticks an hour."""

BRANCHING: Final = 0.6
"""Ticks that one tick causes in the mean; 0.3 to 0.7 was measured by Filimonov and Sornette (2012),
Quantifying reflexivity in financial markets, Phys. Rev. E 85, 056108."""

GUIDES: Final = 8
"""Pieces of the guide to symbols, for each symbol: then most draws need no step."""

BURST_NS: Final = 100_000_000
"""The mean time from a tick to one that it causes."""


class Arrivals:
    """One Hawkes process per symbol, with an exponential kernel, cut into slabs of equal time.

    A tick is one number, its time times the count of symbols, plus its symbol.

    Drawn exactly, as clusters (Hawkes and Oakes, 1974, A cluster process representation of a
    self-exciting process, J. Appl. Prob. 11): causes arrive as a Poisson process, each tick causes
    Poisson(BRANCHING) more of the same symbol after exponential delays, and those cause others.
    The rate has its mean from the start: what a past would still cause is drawn too, of the right
    number in the mean, though without that past's own clusters.

    Args:
        weights: each symbol's share of the ticks, in any unit.
        rate: mean ticks per second of all symbols together; more than 0.
        random: where every draw comes from, in an order that only depends on the draws.

    Attributes:
        slab_ns: the length of a slab.
    """

    def __init__(self, weights: Floats, rate: float, random: np.random.Generator) -> None:
        self.slab_ns = max(1, min(int(SLAB_TICKS / rate * 1e9), SLAB_MAX_NS))
        self._random = random
        self._count = len(weights)
        self._shares = np.cumsum(weights / weights.sum())
        self._shares[-1] = 1.0  # they may add up to a little under
        # The first symbol whose share ends in or after each of many equal pieces of 0 to 1.
        pieces = GUIDES * len(weights)
        self._guide = self._shares.searchsorted(np.arange(pieces) / pieces, "right")
        self._causes = rate * (1.0 - BRANCHING) * self.slab_ns / 1e9
        # Caused in an earlier slab and due in a later one.
        self._due = self._caused_by_past(rate)

    def advance(self) -> tuple[Ints, Codes]:
        """Give the next slab: each tick's time since the slab began, ascending, and its symbol."""
        here, later = [], []
        end, keys = self.slab_ns * self._count, self._causes_and_due()
        while len(keys):
            is_here = keys < end
            later.append(keys[~is_here] - end)
            keys = keys[is_here]
            here.append(keys)
            keys = self._offspring(keys)
        self._due = _joined(later)
        return self._in_order(_joined(here))

    def _caused_by_past(self, rate: float) -> Ints:
        """Draw what a past at the mean rate still causes; exponential delays forget their age."""
        count = self._random.poisson(rate * BRANCHING * BURST_NS / 1e9)
        return self._delays(count) + self._symbols(count)

    def _causes_and_due(self) -> Ints:
        count = self._random.poisson(self._causes)
        times = (self._random.random(count) * self.slab_ns).astype(np.int64)
        return np.concatenate([self._due, times * self._count + self._symbols(count)])

    def _symbols(self, count: int) -> Ints:
        """Draw symbols by their shares: a guess from the guide, and steps where it is too low."""
        drawn = self._random.random(count)
        codes: Ints = self._guide[(drawn * len(self._guide)).astype(np.int64)]
        low = np.flatnonzero(self._shares[codes] <= drawn)
        while len(low):
            codes[low] += 1
            low = low[self._shares[codes[low]] <= drawn[low]]
        return codes

    def _delays(self, count: int) -> Ints:
        delays = (self._random.standard_exponential(count) * BURST_NS).astype(np.int64)
        return delays * self._count

    def _offspring(self, keys: Ints) -> Ints:
        """Draw what ticks cause: a Poisson number of all, each of a cause drawn at random.

        The same law as a Poisson number of each, for a tenth of the draws.
        """
        count = self._random.poisson(BRANCHING * len(keys))
        born = keys.take((self._random.random(count) * len(keys)).astype(np.int64))
        born += self._delays(count)
        return born

    def _in_order(self, keys: Ints) -> tuple[Ints, Codes]:
        """Sort time and symbol as one number: equal numbers need no stable, slow sort."""
        keys = np.sort(keys)
        times = keys // self._count
        # 16-bit codes are sorted by radix, ten times faster than wider ones.
        narrow = np.uint16 if self._count <= 0xFFFF else np.int64
        return times, (keys - times * self._count).astype(narrow)


def _joined(pieces: list[Ints]) -> Ints:
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)
