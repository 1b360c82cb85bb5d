"""A day at the exchange: quiet, then everybody opens a dashboard at once, some leave, all close.

The number of users follows the day: --users is the height of the burst, --run-time the length. With
--drive-sources so does the speed of the feed's sources, which is what it was at the open, and again
when the day is over.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from locust import LoadTestShape, events
from locust.runners import WorkerRunner

from feed.errors import FeedError
from locustfiles.run import RUN, http_url
from locustfiles.sources import Sources
from locustfiles.watchlists import Watcher

__all__ = ["MarketOpen", "Watcher"]

DAY: Final = ((0.2, 0.05), (0.55, 1.0), (0.7, 0.7), (0.8, 0.45), (0.9, 0.25), (1.0, 0.1))
"""Until which part of the day which share of users and ticks is there: at the open 20 times."""

BURST_S: Final = 2.0
"""How long it takes until everybody is there."""

LENGTH_S: Final = 60.0
USERS: Final = 100


@events.init_command_line_parser.add_listener
def declare(parser: Any) -> None:
    """Add this scenario's options."""
    text = "let ticks follow the day, too: the users, or everybody, must be admins"
    parser.add_argument("--drive-sources", default="no", choices=("no", "yes"), help=text)


class MarketOpen(LoadTestShape):
    """The day."""

    use_common_options = True

    def __init__(self) -> None:
        super().__init__()
        self._sources: Sources | None = None
        self._share = 1.0
        events.test_start.add_listener(self._begin)
        events.test_stopping.add_listener(self._end)

    def tick(self) -> tuple[int, float] | None:
        """Give how many users there are now; None when the day is over."""
        assert self.runner is not None
        options = self.runner.environment.parsed_options
        assert options is not None
        most, length_s = options.num_users or USERS, options.run_time or LENGTH_S
        part = self.get_run_time() / length_s
        for until, share in DAY:
            if part < until:
                self._drive(share)
                return max(1, round(most * share)), max(1.0, most / BURST_S)
        return None

    def _begin(self, environment: Any, **_: Any) -> None:
        self._sources, self._share = None, 1.0
        if RUN.given["drive_sources"] == "yes" and not isinstance(environment.runner, WorkerRunner):
            try:
                self._sources = Sources(
                    http_url(environment.host, "/v1/sources"), RUN.options.token
                )
            except FeedError as error:
                RUN.total.fault("refused", 1, str(error))

    def _drive(self, share: float) -> None:
        if self._sources is not None and share != self._share:
            self._share = share
            try:
                self._sources.play_at(share)
            except FeedError as error:
                RUN.total.fault("refused", 1, str(error))

    def _end(self, **_: Any) -> None:
        if self._sources is not None:
            with suppress(FeedError):  # the feed has gone
                self._sources.play_at(1.0)
