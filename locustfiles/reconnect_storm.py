"""Everybody at once: all connections are cut together, again and again, and all come back.

A share of the users resumes: they must miss nothing. The others begin anew, with snapshots. The
time to recover is from the cut until the last resume or snapshot has come.
"""

from __future__ import annotations

import random
import time
from typing import Any

import gevent
from locust import constant, events, task

from locustfiles.common import FeedUser
from locustfiles.run import RUN


@events.init_command_line_parser.add_listener
def declare(parser: Any) -> None:
    """Add this scenario's options."""
    option = parser.add_argument
    option("--storm-every-s", type=float, default=10.0, metavar="S", help="between two storms")
    option("--resume-share", type=float, default=0.5, metavar="0..1", help="of the users")


class Sailor(FeedUser):
    """Somebody who comes back."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Take a watchlist, and keep it."""
        self.resumes = random.random() < float(RUN.given["resume_share"])
        self.connect()
        self.subscribe(RUN.draw(self.options.symbols_per_user))

    @task
    def weather(self) -> None:
        """Wait for the storm, which comes at the same moment on every machine, and come back."""
        every_s = float(RUN.given["storm_every_s"])
        gevent.sleep(every_s - time.time() % every_s)
        if self.resumes:
            self.come_back()
        else:
            self.start_over()
