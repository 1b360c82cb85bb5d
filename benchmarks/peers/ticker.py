"""What the Python peers publish: quotes in turn, at a mean rate, in bursts as they are due."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable

BURST = 4_000
"""The most ticks of one turn."""

ACK = '{"type":"subscribed","subscriptions":{}}'


class Ticker:
    """Formats one quote per tick; `names` are the symbols."""

    def __init__(self, count: int, rate: float) -> None:
        width = max(3, len(str(count - 1)))
        self.names = [f"S{i:0{width}}" for i in range(count)]
        self._rate = rate
        self._seqs = [0] * count
        self._made = 0
        self._started_s = time.monotonic()

    def burst(self) -> list[tuple[str, str]]:
        """Give the symbol and the text of each quote that is due."""
        due = int((time.monotonic() - self._started_s) * self._rate) - self._made
        first, self._made = self._made, self._made + min(due, BURST)
        ts = time.time_ns()
        return [self._quote(made % len(self.names), ts) for made in range(first, self._made)]

    def _quote(self, at: int, ts: int) -> tuple[str, str]:
        name = self.names[at]
        self._seqs[at] = seq = self._seqs[at] + 1
        bid = 100 + at + seq % 50 / 100
        return name, (
            f'{{"type":"quote","symbol":"{name}","seq":{seq},"ts_event":{ts},"bid":{bid:.2f},'
            f'"bid_size":300,"ask":{bid + 0.02:.2f},"ask_size":500,"ts_out":{ts}}}'
        )

    async def run(self, publish: Callable[[str, str], object]) -> None:
        """Publish for ever; a turn that was cut at BURST is followed by the next at once."""
        while True:
            burst = self.burst()
            for symbol, text in burst:
                publish(symbol, text)
            await asyncio.sleep(0 if len(burst) == BURST else 0.001)

    def wanted(self, text: str | bytes) -> list[str]:
        """Give the symbols of a subscribe command, or an empty list."""
        command = json.loads(text)
        if command["type"] != "subscribe":
            return []
        return self.names if "*" in command["symbols"] else list(command["symbols"])


def from_arguments() -> tuple[int, Ticker]:
    """Read PORT SYMBOLS RATE from the command line."""
    port, count, rate = sys.argv[1:4]
    return int(port), Ticker(int(count), float(rate))
