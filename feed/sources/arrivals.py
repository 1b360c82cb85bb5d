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

BURST_NS: Final = 100_000_000
"""The mean time from a tick to one that it causes."""


class Arrivals:
    """One Hawkes process per symbol, with an exponential kernel, cut into slabs of equal time.

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
        self._shares = np.cumsum(weights / weights.sum())
        self._count = len(weights)
        self._causes = rate * (1.0 - BRANCHING) * self.slab_ns / 1e9
        # Caused in an earlier slab and due in a later one: time and symbol.
        self._due = self._caused_by_past(rate)

    def advance(self) -> tuple[Ints, Codes]:
        """Give the next slab: each tick's time since the slab began, ascending, and its symbol."""
        here, later = [], []
        times, codes = self._causes_and_due()
        while len(times):
            is_here = times < self.slab_ns
            later.append((times[~is_here] - self.slab_ns, codes[~is_here]))
            times, codes = times[is_here], codes[is_here]
            here.append((times, codes))
            times, codes = self._offspring(times, codes)
        self._due = _joined(later)
        return self._in_order(*_joined(here))

    def _caused_by_past(self, rate: float) -> tuple[Ints, Ints]:
        """Draw what a past at the mean rate still causes; exponential delays forget their age."""
        count = self._random.poisson(rate * BRANCHING * BURST_NS / 1e9)
        return self._delays(count), self._symbols(count)

    def _causes_and_due(self) -> tuple[Ints, Ints]:
        count = self._random.poisson(self._causes)
        times = (self._random.random(count) * self.slab_ns).astype(np.int64)
        return _joined([self._due, (times, self._symbols(count))])

    def _symbols(self, count: int) -> Ints:
        codes = self._shares.searchsorted(self._random.random(count), "right")
        return np.minimum(codes, self._count - 1)  # the shares may add up to a little under 1

    def _delays(self, count: int) -> Ints:
        return (self._random.standard_exponential(count) * BURST_NS).astype(np.int64)

    def _offspring(self, times: Ints, codes: Ints) -> tuple[Ints, Ints]:
        children = self._random.poisson(BRANCHING, len(times))
        born = np.repeat(times, children)
        return born + self._delays(len(born)), np.repeat(codes, children)

    def _in_order(self, times: Ints, codes: Ints) -> tuple[Ints, Codes]:
        """Sort time and symbol as one number: equal numbers need no stable, slow sort."""
        keys = np.sort(times * self._count + codes)
        times = keys // self._count
        # 16-bit codes are sorted by radix, ten times faster than wider ones.
        narrow = np.uint16 if self._count <= 0xFFFF else np.int64
        return times, (keys - times * self._count).astype(narrow)


def _joined(pieces: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    if not pieces:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return (
        np.concatenate([times for times, _ in pieces]),
        np.concatenate([codes for _, codes in pieces]),
    )
