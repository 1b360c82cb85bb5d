"""The highest rate that is held, found in a few steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from benchmarks.shot import Shot, ShotFailed

GROW = 1.5
CARE = 0.95
"""A server that fell short is tried next at a little less than what it managed."""


@dataclass(frozen=True, slots=True)
class Found:
    """The end of a search.

    Attributes:
        best: the measurement at the highest rate that was held, or None.
        tried: how many measurements it took.
        client_limited: whether the next higher one failed because the client was the limit.
    """

    best: Shot | None
    tried: int
    client_limited: bool


def search(
    attempt: Callable[[float], Shot], start: float, *, resolution: float, tries: int
) -> Found:
    """Raise the rate while it is held, then halve the interval.

    Args:
        attempt: measures at a rate.
        start: the first rate.
        resolution: the search ends when the lowest failed rate is this factor above the best.
        tries: the most measurements.
    """
    best: Shot | None = None
    failed = float("inf")
    client_limited = False
    rate = start
    for tried in range(1, tries + 1):
        shot = _try(attempt, rate)
        if shot is not None and shot.held:
            best = shot
        else:
            failed, client_limited = rate, shot is not None and shot.saturated
        if best is not None and failed <= best.rate * resolution:
            return Found(best, tried, client_limited)
        rate = _next(best, failed, shot)
    return Found(best, tries, client_limited)


def _try(attempt: Callable[[float], Shot], rate: float) -> Shot | None:
    try:
        return attempt(rate)
    except ShotFailed as error:
        if str(error) == "absent":
            raise
        return None


def _next(best: Shot | None, failed: float, shot: Shot | None) -> float:
    if best is None:
        managed = shot.result["published_per_s"] if shot is not None else 0.0
        return max(failed / 4, min(managed * CARE, failed * 0.75))
    if failed == float("inf"):
        return best.rate * GROW
    return sqrt(best.rate * failed)
