"""A share of the users stops reading, or reads at half speed: the others must not notice.

The feed may conflate what a slow user gets, or close it with 4001. What it must not do is to make
the bystanders wait: their p99 is judged (by default at most 100 ms), that of the slow is not.
"""

from __future__ import annotations

import time
from typing import Any, Final

import gevent
from locust import events

from feed.ticks import Tick
from locustfiles import listener
from locustfiles.listener import Listener
from locustfiles.run import RUN

LEARN_S: Final = 2.0
FOR_EVER_S: Final = 1e6


@events.init_command_line_parser.add_listener
def declare(parser: Any) -> None:
    """Add this scenario's options."""
    option = parser.add_argument
    parser.set_defaults(max_p99_ms="100")
    option("--slow-share", type=float, default=0.1, metavar="0..1", help="of the users")
    option("--slow-how", default="half", choices=("half", "stop"), help="half speed, or not at all")


@events.test_start.add_listener
def share(environment: Any, **_: Any) -> None:
    """Make as many users slow as was asked for."""
    listener.share(float(RUN.given["slow_share"]), Slow, Bystander)


class Bystander(Listener):
    """Somebody who reads as fast as ticks come."""


class Slow(Listener):
    """Somebody who does not keep up, after having kept up for a while."""

    figure = "slow tick latency"
    expected = frozenset({"closed", "delayed", "lost", "refused", "stale"})
    receive_buffer_bytes = 16_384
    read_bytes = 4_096

    def on_start(self) -> None:
        """Take a watchlist."""
        self.began_s = time.monotonic()
        self.read_total = 0
        self.rate = 0.0
        super().on_start()

    def after_read(self, ticks: list[Tick], count: int, arrived_ns: int) -> None:
        """Find out how much comes, and then take half of it, or nothing."""
        self.read_total += count
        passed_s = time.monotonic() - self.began_s
        if self.rate:
            gevent.sleep(count / self.rate)
        elif passed_s > LEARN_S:
            self.rate = self.read_total / passed_s / 2
            if RUN.given["slow_how"] == "stop":
                gevent.sleep(FOR_EVER_S)

    def say_goodbye(self) -> None:
        """Go without reading what is left."""
        self.drop()
