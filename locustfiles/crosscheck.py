"""The server's own counts beside those of its users: both must tell the same story."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from typing import Final, NamedTuple
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families

from feed.codes import CloseCode
from locustfiles.tally import Tally

LIMIT_S: Final = 5.0

TOLERANCE: Final = 0.01
SMALL_BYTES: Final = 4_096
"""For each connection: what is told to both sides at a different moment, such as the last pong."""

LOST_BYTES: Final = 1 << 20
"""What may be under way on a connection when it is cut: the server has sent it, nobody reads it."""

TICK_BYTES: Final = 100
SLOW_CONSUMER: Final = int(CloseCode.SLOW_CONSUMER)


class Counts(NamedTuple):
    """What the server had counted at one moment.

    Attributes:
        at_s: when, on our own monotonic clock.
        closes: sessions by close code.
    """

    at_s: float
    cpu_s: float
    rss_bytes: int
    ticks_out: int
    bytes_out: int
    conflated: int
    opened: int
    sessions: int
    closes: dict[int, int]


class Served(NamedTuple):
    """What the server says of a run.

    Attributes:
        told: how the comparison went.
        disagreements: where it differs from what the users counted.
        cpu: how much of a core it took.
        rss_bytes: its memory at the end.
    """

    told: str
    disagreements: Sequence[str] = ()
    cpu: float = 0.0
    rss_bytes: int = 0


def scrape(url: str, token: str | None) -> Counts | None:
    """Read /metrics; None where the server has none."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=LIMIT_S) as answer:
            text = answer.read().decode()
    except (OSError, HTTPException, ValueError):
        return None
    return _counts(text)


def _counts(text: str) -> Counts | None:
    values: dict[str, float] = {}
    closes: dict[int, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "feed_session_closes_total":
                closes[int(sample.labels["code"])] = int(sample.value)
            elif sample.name == "feed_ticks_out_total":
                values[sample.name] = values.get(sample.name, 0) + sample.value  # of each channel
            elif not sample.labels:
                values[sample.name] = sample.value
    try:
        return Counts(
            time.monotonic(),
            values.get("process_cpu_seconds_total", 0.0),
            int(values.get("process_resident_memory_bytes", 0)),
            int(values["feed_ticks_out_total"]),
            int(values["feed_bytes_out_total"]),
            int(values["feed_ticks_conflated_total"]),
            int(values["feed_sessions_opened_total"]),
            int(values["feed_sessions"]),
            closes,
        )
    except KeyError:
        return None


def check(before: Counts | None, after: Counts | None, tally: Tally, *, timed: bool) -> Served:
    """Compare what the server counted between two scrapes with what its users saw.

    Args:
        timed: whether users took ticks at an interval; those the server counts in bytes only.
    """
    if before is None or after is None:
        return Served("not cross-checked: the server shows no counts of its own")
    cpu = (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)
    strangers = max(before.sessions, after.opened - before.opened - tally.tried)
    if strangers > 0:
        told, found = f"not cross-checked: {strangers} other sessions were served meanwhile", []
    else:
        found = list(_disagreements(before, after, tally, timed=timed))
        told = f"the server's own counts {'disagree' if found else 'agree'}"
    return Served(told, found, cpu, after.rss_bytes)


def _disagreements(before: Counts, after: Counts, tally: Tally, *, timed: bool) -> Iterator[str]:
    cut = tally.dropped + tally.codes.get(1006, 0) + tally.tried - tally.opened
    bytes_out = after.bytes_out - before.bytes_out
    allowed = cut * LOST_BYTES + tally.opened * SMALL_BYTES
    yield from _differ("bytes", bytes_out, tally.received_bytes, allowed)
    handed = after.ticks_out - before.ticks_out
    if not timed and _kept_up(tally):
        yield from _differ("ticks", handed, tally.ticks, allowed // TICK_BYTES)
    conflated = after.conflated - before.conflated
    if conflated > tally.skipped * (1 + TOLERANCE) + allowed // TICK_BYTES:
        yield f"conflated: the server counted {conflated:,}, its users {tally.skipped:,}"
    for code in sorted({*tally.codes, *after.closes} - {1006}):
        closed = after.closes.get(code, 0) - before.closes.get(code, 0)
        seen = tally.codes.get(code, 0)
        if abs(closed - seen) > TOLERANCE * closed + cut + 2:
            yield f"closes with {code}: the server counted {closed:,}, its users {seen:,}"


def _kept_up(tally: Tally) -> bool:
    """Tell whether nobody was behind: what is owed to a session counts as handed to it.

    Some of that is conflated, given up when the session is closed, or comes by a resume instead.
    """
    return not (tally.skipped or tally.resumed or SLOW_CONSUMER in tally.codes)


def _differ(what: str, sent: int, seen: int, allowed: int) -> Iterator[str]:
    """Tell of a difference; a server may have sent a little more than came, but never less."""
    if not -TOLERANCE * sent <= sent - seen <= TOLERANCE * sent + allowed:
        yield f"{what}: the server counted {sent:,}, its users {seen:,}"
