"""A run in Locust's hands: one process or many, headless or in the web UI, judged as one.

Locust's own table gets what was counted once a second, not tick by tick. Workers hand their tallies
on with Locust's reports. Before anything is judged all users leave, so that whatever the server has
sent to them is counted.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, Final

import gevent
from gevent.pool import Group
from locust import events
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from feed.client.commands import Positions
from feed.errors import FeedError, SettingError
from locustfiles import options, report, rows
from locustfiles.crosscheck import Counts, check, scrape
from locustfiles.polls import POLLS
from locustfiles.run import RUN, http_url, stream_url
from locustfiles.tally import decode
from locustfiles.universe import discover, newest
from locustfiles.verdict import judge

log = logging.getLogger(__name__)

BEAT_S: Final = 0.05
BEATS: Final = 20
SETTLE_LIMIT_S: Final = 30.0


class Wiring:
    """One process's part in a run; the listeners are registered on `events` below."""

    def __init__(self) -> None:
        self._beating: gevent.Greenlet | None = None
        self._young_gaps = 0
        self._settled: set[str] = set()
        self._judged = True
        self._lines: list[str] = []
        self._before: Counts | None = None

    # Beginning

    def init(self, environment: Any, **_: Any) -> None:
        """Check the options, and listen to the other processes."""
        rows.install()
        POLLS.watch()
        gevent.get_hub().loop.update_now()  # or --run-time includes the time that importing took
        try:
            options.read(vars(environment.parsed_options))
        except SettingError as error:
            print(f"locust: error: {error}", file=sys.stderr)
            sys.exit(2)
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            runner.register_message("feed-settled", self._on_settled)
        elif isinstance(runner, WorkerRunner):
            runner.register_message("feed-settle", self._on_settle, concurrent=True)

    def test_start(self, environment: Any, **_: Any) -> None:
        """Forget the last run, and find out what symbols there are."""
        runner, given = environment.runner, vars(environment.parsed_options)
        try:
            RUN.begin(given)
            if isinstance(runner, WorkerRunner):
                RUN.universe = given["feed_universe"]
            else:
                RUN.universe = given["feed_universe"] = self._universe(environment)
        except FeedError as error:
            self._give_up(environment, error)
            return
        self._young_gaps = 0
        self._judged = False
        self._settled.clear()
        if not isinstance(runner, WorkerRunner):
            self._before = self._first_scrape(environment)
        self._beating = gevent.spawn(self._beat, environment)

    def _give_up(self, environment: Any, error: Exception) -> None:
        """End a run that cannot begin."""
        self._lines = [f"bad: the run cannot begin: {error}"]
        environment.process_exit_code = 1
        runner = environment.runner
        gevent.spawn(runner.quit if environment.parsed_options.headless else runner.stop)
        if not environment.parsed_options.headless:
            self._tell()

    def _universe(self, environment: Any) -> list[str]:
        named, token = RUN.options.universe, RUN.options.token
        return named or discover(stream_url(_host(environment)), token, RUN.options.channels)

    def _newest(self, environment: Any) -> Positions | None:
        """Ask how far the streams have come, so that one that went silent is found."""
        given = RUN.options
        try:
            return newest(stream_url(_host(environment)), given.token, given.channels, RUN.tally)
        except FeedError as error:
            log.warning("nobody knows whether streams went silent: %s", error)
            return None

    def _first_scrape(self, environment: Any) -> Counts | None:
        """Read the server's counts once it has forgotten who asked for the symbols."""
        counts = self._scrape(environment)
        for _ in range(BEATS):
            if counts is None or not counts.sessions:
                break
            gevent.sleep(BEAT_S)
            counts = self._scrape(environment)
        return counts

    def _scrape(self, environment: Any) -> Counts | None:
        place = RUN.options.metrics
        if place == "off":
            return None
        url = http_url(_host(environment), "/metrics") if place == "auto" else place
        return scrape(url, RUN.options.token)

    def spawning_complete(self, **_: Any) -> None:
        """Take note that all users have started, so that the steady rate can begin."""
        RUN.spawned = True

    # Every second

    def _beat(self, environment: Any) -> None:
        """Find out how late the loop is, and once a second do what is to be done."""
        while True:
            for _ in range(BEATS):
                began_s = time.monotonic()
                gevent.sleep(BEAT_S)
                RUN.watch.late(time.monotonic() - began_s - BEAT_S)
            self._second(environment)

    def _second(self, environment: Any) -> None:
        runner = environment.runner
        RUN.most_users = max(RUN.most_users, runner.user_count)
        if isinstance(runner, MasterRunner):
            return
        for user in list(RUN.users):
            user.look_after()
        for user in list(RUN.users)[:1]:
            user.ping()
        self._count(environment)

    def _count(self, environment: Any, *, last: bool = False) -> None:
        recent = RUN.second(_name(environment.runner))
        gaps = recent.faults.get("gap", 0)
        ripe = self._young_gaps + (gaps if last else min(gaps, 0))
        self._young_gaps = max(gaps, 0)
        rows.add(environment.stats, recent, ripe)

    # Over processes

    def report_to_master(self, data: dict[str, Any], **_: Any) -> None:
        """Hand on what was counted."""
        data["feed"] = RUN.total.take().encode()

    def worker_report(self, data: dict[str, Any], **_: Any) -> None:
        """Take what a worker counted."""
        if "feed" in data:
            RUN.total.merge(decode(data["feed"]))

    def _on_settle(self, environment: Any, **_: Any) -> None:
        self._leave(environment)
        environment.runner._send_stats()  # Locust would, once its master has judged
        environment.runner.send_message("feed-settled")

    def _on_settled(self, msg: Any, **_: Any) -> None:
        self._settled.add(msg.node_id)

    # Ending

    def test_stopping(self, environment: Any, **_: Any) -> None:
        """Let all users leave, then judge."""
        runner = environment.runner
        if self._judged:
            return
        self._judged = True
        RUN.most_users = max(RUN.most_users, runner.user_count)
        if isinstance(runner, MasterRunner):
            self._let_workers_leave(runner)
        else:
            self._leave(environment)
        if self._beating is not None:
            self._beating.kill(block=False)
        if not isinstance(runner, WorkerRunner):
            self._judge(environment)

    def _leave(self, environment: Any) -> None:
        RUN.spawned = False
        self._count(environment)
        RUN.newest = self._newest(environment)
        leaving = Group()
        for user in list(RUN.users):
            leaving.spawn(user.on_stop)
        leaving.join(SETTLE_LIMIT_S)
        self._count(environment, last=True)

    def _let_workers_leave(self, runner: MasterRunner) -> None:
        runner.send_message("feed-settle")
        workers = {client.id for client in runner.clients.all}
        with gevent.Timeout(SETTLE_LIMIT_S, False):
            while not workers <= self._settled:
                gevent.sleep(BEAT_S)
        for client_id in workers - self._settled:
            log.error("worker %s did not settle in %g s", client_id, SETTLE_LIMIT_S)

    def _judge(self, environment: Any) -> None:
        given, thresholds = environment.parsed_options, RUN.options.thresholds
        after = self._scrape(environment) if self._before else None
        timed = RUN.options.terms.delivery == "latest"
        served = check(self._before, after, RUN.total, timed=timed)
        verdict = judge(RUN.total, thresholds, served.disagreements)
        environment.process_exit_code = 0 if verdict.good else 1
        self._lines = [*report.describe(RUN.total, verdict, RUN.most_users, served)]
        if given.csv_prefix:
            report.write(RUN.total, RUN.most_users, served, given.csv_prefix)
            gevent.sleep(1.5 * CSV_STATS_INTERVAL_SEC)  # Locust writes its own now and then
        if not given.headless:
            self._tell()

    def quitting(self, environment: Any, **_: Any) -> None:
        """Judge a run that is cut short; a worker leaves that to its master."""
        self.test_stopping(environment)
        if isinstance(environment.runner, WorkerRunner):
            environment.process_exit_code = 0
        elif environment.process_exit_code is None and environment.parsed_options.headless:
            self._lines = ["bad: nothing was measured: the run was over before it began"]
            environment.process_exit_code = 1

    def _tell(self) -> None:
        """Tell the verdict in the log, which the web UI shows."""
        for line in self._lines:
            log.info(line)
        self._lines = []

    def quit(self, **_: Any) -> None:
        """Print the verdict, after all that Locust prints."""
        for line in self._lines:
            print(line, flush=True)
        self._lines = []


def _host(environment: Any) -> str:
    return str(environment.host or environment.user_classes[0].host)


def _name(runner: Any) -> str:
    return f"worker {runner.worker_index}" if isinstance(runner, WorkerRunner) else "locust"


def install() -> None:
    """Listen to Locust."""
    wiring = Wiring()
    events.init_command_line_parser.add_listener(options.declare)
    events.init.add_listener(wiring.init)
    events.test_start.add_listener(wiring.test_start)
    events.spawning_complete.add_listener(wiring.spawning_complete)
    events.report_to_master.add_listener(wiring.report_to_master)
    events.worker_report.add_listener(wiring.worker_report)
    events.test_stopping.add_listener(wiring.test_stopping)
    events.quitting.add_listener(wiring.quitting)
    events.quit.add_listener(wiring.quit)


install()
