"""Dashboards: a watchlist each, popular symbols more often, edited now and then, tabs reopened."""

from __future__ import annotations

import random
from typing import Any

import gevent
from locust import events, task

from locustfiles.common import FeedUser
from locustfiles.run import RUN


@events.init_command_line_parser.add_listener
def declare(parser: Any) -> None:
    """Add this scenario's options."""
    option = parser.add_argument
    option("--acts-per-s", type=float, default=0.1, metavar="N", help="of each user")
    option("--away-s", type=float, default=2.0, metavar="S", help="how long a closed tab is closed")


class Watcher(FeedUser):
    """Somebody with a dashboard."""

    def wait_time(self) -> float:
        """Wait between two acts, at random."""
        return random.expovariate(float(RUN.given["acts_per_s"]))

    def on_start(self) -> None:
        """Open the dashboard, and look at it for a while."""
        self.open()
        self.wait()

    def open(self) -> None:
        """Open a tab with a watchlist."""
        self.connect()
        self.subscribe(RUN.draw(self.options.symbols_per_user))

    @task(6)
    def look(self) -> None:
        """Only look."""

    @task(3)
    def edit(self) -> None:
        """Take one symbol off the list, and put another on it."""
        new = RUN.draw(1, self.account.symbols)
        if new:
            self.unsubscribe([random.choice(self.account.symbols)])
            self.subscribe(new)

    @task(1)
    def reopen(self) -> None:
        """Close the tab, and come back with another watchlist."""
        self.leave()
        gevent.sleep(random.expovariate(1 / float(RUN.given["away_s"])))
        self.open()
