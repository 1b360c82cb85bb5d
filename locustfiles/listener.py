"""Somebody who takes a watchlist and only listens, and how a run parts its users into two kinds."""

from __future__ import annotations

from locust import constant, task

from locustfiles.common import FeedUser
from locustfiles.run import RUN


class Listener(FeedUser):
    """Takes a watchlist, and leaves the rest to the reader."""

    abstract = True
    wait_time = constant(1)

    def on_start(self) -> None:
        """Take a watchlist."""
        self.connect()
        self.subscribe(RUN.draw(self.options.symbols_per_user))

    @task
    def listen(self) -> None:
        """Wait for ticks."""


def share(part: float, some: type[FeedUser], others: type[FeedUser]) -> None:
    """Make so large a part of the users one kind, and the rest the other."""
    some.weight, others.weight = round(1000 * part), round(1000 * (1 - part))
