"""Whether a run was good, and whose fault it was where it was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from locustfiles.generator import complaints
from locustfiles.options import Thresholds
from locustfiles.tally import FAULTS, TICK_LATENCY, Tally

BOTTLENECK: Final = "the load generator was the bottleneck"
RECOVERIES: Final = ("recover", "recover by resume", "recover by snapshot")


class Verdict(NamedTuple):
    """What is to be said of a run.

    Attributes:
        bad: everything that fails it.
        doubts: why figures may be the load generator's own, and not the server's.
    """

    bad: list[str]
    doubts: list[str]

    @property
    def good(self) -> bool:
        """Whether nothing fails the run."""
        return not self.bad


def judge(tally: Tally, thresholds: Thresholds, disagreements: Sequence[str]) -> Verdict:
    """Judge a run by what its users counted."""
    bad = [*_faults(tally, thresholds), *_missed(tally, thresholds), *disagreements]
    if not tally.ticks:
        bad.append("nothing was measured: no tick came")
    doubts = [text for name, load in sorted(tally.loads.items()) for text in complaints(name, load)]
    return Verdict(bad, doubts)


def _faults(tally: Tally, thresholds: Thresholds) -> Iterator[str]:
    for name, meaning in FAULTS.items():
        count = tally.faults.get(name, 0)
        if count > (thresholds.max_gaps if name == "gap" else 0):
            yield f"{count:,} {name}: {meaning} (first: {tally.examples[name]})"


def _missed(tally: Tally, thresholds: Thresholds) -> Iterator[str]:
    p99_ms = tally.histogram(TICK_LATENCY).percentile_ms(0.99)
    if thresholds.max_p99_ms is not None and p99_ms > thresholds.max_p99_ms:
        yield f"p99 tick latency {p99_ms:,.2f} ms is above --max-p99-ms {thresholds.max_p99_ms:g}"
    least = thresholds.min_ticks_per_s
    if least is not None and tally.rate < least:
        yield f"{tally.rate:,.0f} ticks/s is below --min-ticks-per-s {least:g}"
    most_s = thresholds.max_recovery_s
    for name in RECOVERIES if most_s is not None else ():
        took_s = tally.histogram(name).percentile_ms(0.99) / 1e3
        if most_s is not None and took_s > most_s:
            yield f"p99 of {name!r} {took_s:,.2f} s is above --max-recovery-s {most_s:g}"
