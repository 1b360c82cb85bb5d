"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator


def delays(
    *,
    first_s: float = 0.25,
    limit_s: float = 30.0,
    draw: Callable[[float, float], float] = random.uniform,
) -> Iterator[float]:
    """Give the waits before each attempt, in seconds, without end.

    Full jitter: uniform between 0 and min(limit, first * 2 ** attempt), so that clients cut off
    together do not come back together (M. Brooker, "Exponential Backoff And Jitter", AWS
    Architecture Blog, 2015).
    """
    ceiling = first_s
    while True:
        yield draw(0.0, ceiling)
        ceiling = min(limit_s, ceiling * 2)
