"""The story that account.js tells, checked: every seq once, or told to be missing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

CHANNELS = {"quote": "quotes", "trade": "trades", "bar": "bars", "status": "status"}

Told = list[Any]
"""What happened and its detail: `["gap", {…}]`, or `["ticks", [[type, symbol, seq], …]]`."""


def spans(story: Iterable[Told]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Give, by stream, the seqs that came or were told to be missing, as spans, in order."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for kind, detail in story:
        if kind == "ticks":
            for name, symbol, seq in detail:
                found.setdefault((CHANNELS[name], symbol), []).append((seq, seq))
        elif kind in ("skipped", "gap"):
            stream = (detail["channel"], detail["symbol"])
            found.setdefault(stream, []).append((detail["first_seq"], detail["last_seq"]))
    return found


def epochs(story: Iterable[Told]) -> list[list[Told]]:
    """Cut a story where the numbering began anew."""
    parts: list[list[Told]] = [[]]
    for told in story:
        if told[0] == "open" and not told[1]["sameEpoch"]:
            parts.append([])
        parts[-1].append(told)
    return parts


def account(story: Iterable[Told]) -> int:
    """Check that each stream's spans follow on each other; gives how many ticks came."""
    ticks = 0
    for part in epochs(story):
        assert not [told for told in part if told[0] in ("disorder", "error")]
        for own in spans(part).values():
            assert all(last + 1 == first for (_, last), (first, _) in pairwise(own)), own
        ticks += sum(len(detail) for kind, detail in part if kind == "ticks")
    return ticks


def count(story: Iterable[Told], kind: str, **fields: Any) -> int:
    """Count what was told, with these values in its detail."""
    return sum(
        own == kind and all(detail[name] == value for name, value in fields.items())
        for own, detail in story
    )
