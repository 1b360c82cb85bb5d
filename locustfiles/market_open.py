"""A day at the exchange: quiet, then everybody opens a dashboard at once, some leave, all close.

The number of users follows the day: --users is the height of the burst, --run-time the length.
"""

from __future__ import annotations

from typing import Final

from locust import LoadTestShape

from locustfiles.watchlists import Watcher

__all__ = ["MarketOpen", "Watcher"]

DAY: Final = ((0.2, 0.05), (0.55, 1.0), (0.7, 0.7), (0.8, 0.45), (0.9, 0.25), (1.0, 0.1))
"""Until which part of the day which share of the users is there: 20 times more at the open."""

BURST_S: Final = 2.0
"""How long it takes until everybody is there."""

LENGTH_S: Final = 60.0
USERS: Final = 100


class MarketOpen(LoadTestShape):
    """The day."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """Give how many users there are now; None when the day is over."""
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        most, length_s = options.num_users or USERS, options.run_time or LENGTH_S
        part = self.get_run_time() / length_s
        for until, share in DAY:
            if part < until:
                return max(1, round(most * share)), max(1.0, most / BURST_S)
        return None
