"""Consumers of everything: each takes all symbols, or all that some patterns match."""

from __future__ import annotations

from typing import Any

from locust import events

from locustfiles.listener import Listener
from locustfiles.run import RUN


@events.init_command_line_parser.add_listener
def declare(parser: Any) -> None:
    """Add this scenario's options."""
    parser.add_argument("--patterns", default="*", metavar="LIST", help="what each user takes")


class Firehose(Listener):
    """Takes whatever comes, and asks for nothing more."""

    read_bytes = 128 * 1024

    def on_start(self) -> None:
        """Take everything."""
        self.connect()
        self.subscribe(str(RUN.given["patterns"]).split(","))
