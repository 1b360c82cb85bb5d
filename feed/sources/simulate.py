"""A simulated market as a source: with a seed, every run publishes the same ticks to the byte."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import Final

from feed.alarm import Alarm
from feed.clock import Clock, SystemClock
from feed.errors import SettingError
from feed.sources.base import Publish, SourceState
from feed.sources.controls import Controls
from feed.sources.market import Market
from feed.sources.pace import Pacer, Position, Repeat
from feed.symbols import SYMBOL_GRAMMAR, symbol_ok
from feed.tape.block import TickBlock

log = logging.getLogger(__name__)

START_NS: Final = 1_767_623_400_000_000_000
"""Where a market with a seed starts: 2026-01-05T14:30:00Z, a Monday's opening bell in New York."""

DEFAULT_SYMBOLS: Final = ("AAPL", "MSFT", "GOOG", "AMZN", "IBM", "NVDA", "TSLA", "BTC-USD")
"""The market of a user who names no symbols."""

SYMBOLS_MAX: Final = 100_000
RATE_MAX: Final = 10_000_000.0


def default_rate(count: int) -> float:
    """Give the ticks per second that look lively for `count` symbols: 20 each, at most 10,000."""
    return min(20.0 * count, 10_000.0)


def parse_symbols(text: str) -> tuple[str, ...]:
    """Read names separated by commas, or how many there are: `500` is S000 to S499.

    Raises:
        SettingError: when it is neither.
    """
    if text.isascii() and text.isdigit():
        return _numbered(int(text[:20]))  # more digits are too many all the same
    return _checked(tuple(name.strip() for name in text.split(",")))


def _numbered(count: int) -> tuple[str, ...]:
    if not 1 <= count <= SYMBOLS_MAX:
        raise SettingError("simulate", f"must be 1 to {SYMBOLS_MAX:,} symbols, was {count:,}")
    width = max(3, len(str(count - 1)))
    return tuple(f"S{number:0{width}}" for number in range(count))


def _checked(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise SettingError("simulate", "must name at least one symbol, had none")
    for name in names:
        if not symbol_ok(name):
            raise SettingError(
                "simulate",
                f"must be a number of symbols or names separated by commas, had {name[:41]!r}"
                f" (a name is {SYMBOL_GRAMMAR})",
            )
    if len(set(names)) < len(names):
        raise SettingError("simulate", f"must name each symbol once, had {_twice(names)!r} twice")
    return names


def _twice(names: tuple[str, ...]) -> str:
    return Counter(names).most_common(1)[0][0]


class Simulate:
    """Publishes a simulated market at the pace of its own event times.

    Args:
        symbols: names, each once.
        rate: mean ticks per second of all symbols together; None is `default_rate`.
        seed: makes every run the same; None draws one and logs it.
        start_ns: event time of the start; None is `START_NS` with a seed and now without.
        name: what heartbeats, logs and metrics call it.
        clock: what paces it, and what tells now.
        repeat: with `clock`, where tests bring their own time.

    Attributes:
        name: as above.
        rate: as above, the default filled in.
        total: None; the market has no end.
        controls: what may be done to it while it plays.

    Raises:
        SettingError: when a value is not allowed.
    """

    brings_bars: Final = False

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        rate: float | None = None,
        seed: int | None = None,
        start_ns: int | None = None,
        name: str = "simulate",
        clock: Clock | None = None,
        repeat: Repeat | None = None,
    ) -> None:
        self.name = name
        self.controls = Controls(1.0, seekable=False)
        self.total: int | None = None
        self._names = _checked(tuple(symbols))
        self.rate = _checked_rate(default_rate(len(symbols)) if rate is None else rate)
        self._seed = _checked_seed(seed)
        self._start_ns = start_ns
        self._clock = clock or SystemClock()
        self._alarm = Alarm()
        self._repeat = repeat or self._alarm.repeat
        self.controls.on_change(self._heed)
        self._state: SourceState = "live"
        self._pacer: Pacer | None = None

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset(self._names)

    @property
    def state(self) -> SourceState:
        return "paused" if self._state == "live" and self.controls.paused else self._state

    @property
    def position(self) -> Position:
        """Give the event time and count of what has been published."""
        return self._pacer.position if self._pacer else Position(None, 0, 1.0)

    async def run(self, publish: Publish) -> None:
        """Publish until cancelled: the market has no end."""
        self._state = "live"
        self._pacer = Pacer(publish, controls=self.controls, clock=self._clock, repeat=self._repeat)
        try:
            await self._play(self._pacer)
        finally:
            self._state = "ended"

    def _heed(self) -> None:
        if self._pacer is not None:
            self._pacer.heed()
        self._alarm.ring()

    async def _play(self, pacer: Pacer) -> None:
        seed, start_ns = self._beginning()
        market = Market(self._names, rate=self.rate, seed=seed, start_ns=start_ns)
        async with aclosing(_ahead(market.blocks())) as blocks:
            first = await anext(blocks)
            # The first tick, too, comes at its time: none may be published before it happened.
            pacer.begin(start_ns)
            await pacer.play(first)
            async for block in blocks:
                await pacer.play(block)

    def _beginning(self) -> tuple[int, int]:
        seed = secrets.randbits(32) if self._seed is None else self._seed
        fallback_ns = self._clock.now_ns() if self._seed is None else START_NS
        log.info("simulating %d symbols at %g ticks/s, seed %d", len(self._names), self.rate, seed)
        return seed, fallback_ns if self._start_ns is None else self._start_ns


async def _ahead(blocks: Iterator[TickBlock]) -> AsyncGenerator[TickBlock, None]:
    """Make each block in a thread while the one before is played: it takes milliseconds."""
    upcoming = asyncio.create_task(asyncio.to_thread(next, blocks))
    try:
        while True:
            block = await upcoming
            upcoming = asyncio.create_task(asyncio.to_thread(next, blocks))
            yield block
    finally:
        upcoming.cancel()


def _checked_rate(rate: float) -> float:
    if not (math.isfinite(rate) and 0 < rate <= RATE_MAX):
        raise SettingError(
            "rate", f"must be more than 0 and at most {RATE_MAX:,.0f} ticks/s, was {rate:g}"
        )
    return rate


def _checked_seed(seed: int | None) -> int | None:
    if seed is not None and seed < 0:
        raise SettingError("seed", f"must be 0 or more, was {seed}")
    return seed
