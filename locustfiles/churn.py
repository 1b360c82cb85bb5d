"""Subscribing and unsubscribing at a rate: what changing one's mind costs, and what it breaks."""

from __future__ import annotations

import random
from typing import Any

from locust import events, task

from locustfiles.common import FeedUser
from locustfiles.run import RUN


@events.init_command_line_parser.add_listener
def declare(parser: Any) -> None:
    """Add this scenario's options."""
    option = parser.add_argument
    option("--churn-per-s", type=float, default=2.0, metavar="N", help="changes of each user")
    option("--churn-symbols", type=int, default=5, metavar="N", help="that each change is about")


class Fickle(FeedUser):
    """Somebody who cannot decide."""

    def wait_time(self) -> float:
        """Wait between two changes, at random."""
        return random.expovariate(float(RUN.given["churn_per_s"]))

    def on_start(self) -> None:
        """Begin with a whole watchlist."""
        self.connect()
        self.subscribe(RUN.draw(self.options.symbols_per_user))
        self.wait()

    @task
    def change(self) -> None:
        """Let some symbols go, and take as many others."""
        held, most = self.account.symbols, int(RUN.given["churn_symbols"])
        given_up = random.sample(held, min(most, len(held)))
        self.unsubscribe(given_up)
        self.subscribe(RUN.draw(len(given_up), self.account.symbols))
