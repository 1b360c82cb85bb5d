"""What connections themselves cost: memory while idle, time to come back, and growth with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.servers import BY_NAME, Job, Server
from benchmarks.shot import Load, ShotFailed, client, collect, running, shoot

IDLE_RATE = 1.0
RETURN_RATE = 2_000.0


def idle(server: Server, clients: int) -> dict[str, Any]:
    """Connect and subscribe many clients to 5 symbols each, while next to nothing ticks.

    Returns:
        `kib` of server memory for each connection, and `connect_s` for all of them.
    """
    load = Load(clients, 500, 5, check_every=1_000, warm_s=1.0, measure_s=0.5)
    got = shoot(server, Job(500, IDLE_RATE), load).result
    if got["live"] < clients:
        raise ShotFailed(f"{got['live']} of {clients} connected: {got['first_error']}")
    grown_kib = got["rss_kib"] - got["rss_kib_before"]
    return {"clients": clients, "kib": grown_kib / clients, "connect_s": got["connect_s"]}


def comeback(server: Server, clients: int) -> dict[str, Any]:
    """Let many clients connect, subscribe and get snapshots, while others are being served.

    Returns:
        `connect_s` of those who come, and `p99_us` of those who were there before (W3's load).
    """
    there = Load(100, 100, 10, warm_s=1.0, measure_s=6.0)
    coming = Load(clients, 100, 5, snapshot=1, seed=11, check_every=1_000, warm_s=0.1)
    with (
        running(server, Job(100, RETURN_RATE)) as target,
        client(target, there) as before,
        client(target, replace(coming, measure_s=0.2)) as after,
    ):
        came = collect(after, coming)
        served = collect(before, there)
    return {
        "clients": clients,
        "live": came["live"],
        "connect_s": came["connect_s"],
        "p99_us": served["p99_us"],
        "max_us": served["max_us"],
    }


@dataclass(frozen=True, slots=True)
class Curve:
    """One thing that grows while the others stay.

    Attributes:
        sizes: what it grows through.
        load: gives the client's load at a size.
        rate: quotes per second.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    load: Callable[[int], Load]
    rate: float

    def point(self, server: Server, size: int) -> dict[str, Any]:
        """Measure a server at one size."""
        load = self.load(size)
        got = shoot(server, Job(load.symbols, self.rate), load).result
        kept = ("cpu_us_per_tick", "server_cpu", "p99_us", "ticks_per_s", "saturated")
        return {"size": size} | {name: got[name] for name in kept}


CURVES = (
    Curve(
        "clients",
        "clients, each 20 random of 500 symbols, 1,000 ticks/s",
        (10, 50, 200, 1_000, 5_000),
        lambda size: Load(size, 500, 20, check_every=max(1, size // 25)),
        1_000.0,
    ),
    Curve(
        "symbols",
        "symbols, 200 clients with 4 % of them each, 20,000 ticks/s",
        (25, 100, 500, 2_500, 10_000),
        lambda size: Load(200, size, size // 25, check_every=8),
        20_000.0,
    ),
    Curve(
        "wildcards",
        "clients of everything, 500 symbols, 2,000 ticks/s",
        (1, 10, 100),
        lambda size: Load(size, 500, 1, wildcard=1),
        2_000.0,
    ),
)

GROWING = tuple(BY_NAME[name] for name in ("feed", "bun", "floor"))
