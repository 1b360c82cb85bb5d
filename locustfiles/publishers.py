"""Publishers and their subscribers: how long a tick takes from the one to the others.

A share of the users publishes quotes, each stamped at the moment it is sent; the others subscribe
to them. The feed must let them: `feed serve --anonymous-publish '*'`, or a --token that may.
"""

from __future__ import annotations

import random
import time
from typing import Any

from locust import events, task

from feed.protocol.newticks import NewQuote
from feed.ticks import Tick
from locustfiles import listener
from locustfiles.common import FeedUser
from locustfiles.listener import Listener
from locustfiles.run import RUN
from locustfiles.tally import END_TO_END


@events.init_command_line_parser.add_listener
def declare(parser: Any) -> None:
    """Add this scenario's options."""
    option = parser.add_argument
    parser.set_defaults(universe="P*50")
    option("--publisher-share", type=float, default=0.1, metavar="0..1", help="of the users")
    option("--publishes-per-s", type=float, default=10.0, metavar="N", help="of each publisher")
    option("--ticks-per-publish", type=int, default=5, metavar="N", help="in each command")


@events.test_start.add_listener
def share(environment: Any, **_: Any) -> None:
    """Make as many users publishers as was asked for."""
    listener.share(float(RUN.given["publisher_share"]), Publisher, Subscriber)


class Publisher(FeedUser):
    """Somebody who knows prices."""

    def wait_time(self) -> float:
        """Keep to the rate, whatever an answer took."""
        return max(0.0, self.due_s - time.monotonic())

    def on_start(self) -> None:
        """Connect, and choose what to publish."""
        self.connect()
        self.ready()
        self.own = random.sample(RUN.universe, min(5, len(RUN.universe)))
        self.due_s = time.monotonic()

    @task
    def quote(self) -> None:
        """Publish some quotes of now."""
        self.due_s = max(self.due_s, time.monotonic() - 1) + 1 / float(RUN.given["publishes_per_s"])
        now_ns, bid = time.time_ns(), round(random.uniform(10, 500), 2)
        names = random.choices(self.own, k=int(RUN.given["ticks_per_publish"]))
        self.publish([NewQuote(name, bid, bid + 0.01, 100, 100, now_ns) for name in names])


class Subscriber(Listener):
    """Somebody who wants to know them."""

    def after_read(self, ticks: list[Tick], count: int, arrived_ns: int) -> None:
        """Count how old the ticks are, by the publishers' clock."""
        add = RUN.tally.histogram(END_TO_END).add
        for tick in ticks:
            add(arrived_ns - tick.ts_event)
