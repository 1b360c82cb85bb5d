"""What a process counts about itself: plain integers, read by whoever publishes them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Metrics:
    """Counters since the start.

    Attributes:
        ticks_in: ticks published into the hub.
        ticks_out: ticks handed to sessions, each delivery counted.
        encodings: ticks that were encoded because somebody listened.
        conflated: ticks that sessions were told they skipped.
        sessions_opened: sessions that were ever opened.
        sessions_closed: by close code.
        errors_told: commands that were answered with an error.
    """

    ticks_in: int = 0
    ticks_out: int = 0
    encodings: int = 0
    conflated: int = 0
    sessions_opened: int = 0
    sessions_closed: dict[int, int] = field(default_factory=dict)
    errors_told: int = 0
