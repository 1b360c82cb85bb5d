"""W1 to W6: who listens to what, and how a server is measured at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.servers import FEED_PATH, SERVERS, Job, Server
from benchmarks.shot import Load


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of audience.

    Attributes:
        kind: `top` finds the highest rate that is held; `fixed` measures at one rate.
        fan_out: in the mean, to how many clients a tick goes.
        rate: quotes per second, of a fixed workload.
        shared: whether its cost per tick is that of W2 rather than that of W1.
        only: the servers that have what it is about; empty is all.
    """

    name: str
    title: str
    kind: Literal["top", "fixed"]
    load: Load
    rate: float = 0.0
    shared: bool = False
    only: tuple[str, ...] = ()

    @property
    def fan_out(self) -> float:
        """Give the mean number of clients that a tick goes to."""
        share = 1.0 if self.load.wildcard else self.load.per / self.load.symbols
        return self.load.clients * share

    def job(self, rate: float) -> Job:
        """Give what the server is asked to publish."""
        return Job(self.load.symbols, rate)

    def first_rate(self, server: Server) -> float:
        """Guess a rate that takes most of a core."""
        return 0.7e6 / (server.guess_us[self.shared] * self.fan_out)


_NAP_US = 2_000
"""Where a rate is looked for that is held within 100 ms, the client collects for this long: each
read brings more, so that it is the server that is at its limit."""

_W1 = Load(clients=200, symbols=500, per=20, check_every=8)
_PLAIN = tuple(server.name for server in SERVERS if server.path == FEED_PATH)

WORKLOADS = (
    Workload(
        "W1",
        "watchlists: 200 clients, each 20 random of 500 symbols",
        "top",
        replace(_W1, nap_us=_NAP_US),
    ),
    Workload(
        "W2",
        "hot symbols: 1,000 clients on the same 5",
        "top",
        Load(clients=1_000, symbols=5, per=5, distinct=1, check_every=64, nap_us=_NAP_US),
        shared=True,
    ),
    Workload(
        "W3",
        "latency: 100 clients, each 10 random of 100 symbols, 2,000 ticks/s",
        "fixed",
        Load(clients=100, symbols=100, per=10, measure_s=4.0),
        rate=2_000,
    ),
    Workload(
        "W4",
        "firehose: 50 clients of everything, 500 symbols",
        "top",
        Load(clients=50, symbols=500, per=1, wildcard=1, check_every=16, nap_us=_NAP_US),
        shared=True,
    ),
    Workload(
        "W5",
        "one tick per message: W1 at 20,000 ticks/s",
        "fixed",
        replace(_W1, measure_s=4.0),
        rate=20_000,
        only=_PLAIN,
    ),
    Workload(
        "W6",
        "batches: W1 at 20,000 ticks/s with `batch=1`",
        "fixed",
        replace(_W1, measure_s=4.0),
        rate=20_000,
        only=("feed-batch",),
    ),
)

BY_NAME = {workload.name: workload for workload in WORKLOADS}
