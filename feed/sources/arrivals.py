"""When each simulated symbol ticks: in bursts, as real ones do."""

from __future__ import annotations

from typing import Final

import numpy as np

from feed.sources import scan
from feed.sources.scan import Codes, Floats, Ints

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
        self._guide = self._shares.searchsorted(np.arange(pieces) / pieces, "right").astype(
            np.int64
        )
        self._causes_mean = rate * (1.0 - BRANCHING) * self.slab_ns / 1e9
        # Caused in an earlier slab and due in a later one.
        self._due = self._caused_by_past(rate)

    def advance(self, start_ns: int = 0) -> tuple[Ints, Codes]:
        """Give the next slab: each tick's time, ascending, and its symbol.

        Args:
            start_ns: the time at which the slab begins.
        """
        end = self.slab_ns * self._count
        due, beyond = scan.cut(self._due, end)
        keys = np.concatenate([due, self._causes()])
        here, later = [keys], [beyond]
        while len(keys):
            keys, beyond = self._offspring(keys, end)
            here.append(keys)
            later.append(beyond)
        self._due = np.concatenate(later)
        slab = np.concatenate(here)
        slab.sort()  # time and symbol as one number: equal numbers need no stable, slow sort
        return scan.times_and_codes(slab, self._count, start_ns)

    def _caused_by_past(self, rate: float) -> Ints:
        """Draw what a past at the mean rate still causes; exponential delays forget their age."""
        count = self._random.poisson(rate * BRANCHING * BURST_NS / 1e9)
        return self._at(self._random.standard_exponential(count), BURST_NS)

    def _causes(self) -> Ints:
        count = self._random.poisson(self._causes_mean)
        return self._at(self._random.random(count), self.slab_ns)

    def _at(self, moments: Floats, unit_ns: int) -> Ints:
        """Draw symbols by their shares, for ticks at moments in some unit."""
        picks = self._random.random(len(moments))
        return scan.causes(moments, unit_ns, picks, self._shares, self._guide)

    def _offspring(self, parents: Ints, end: int) -> tuple[Ints, Ints]:
        """Draw what ticks cause: a Poisson number of all, each of a cause drawn at random.

        The same law as a Poisson number of each, for a tenth of the draws.
        """
        count = self._random.poisson(BRANCHING * len(parents))
        picks = self._random.random(count)
        delays = self._random.standard_exponential(count)
        return scan.offspring(parents, picks, delays, BURST_NS, self._count, end)
