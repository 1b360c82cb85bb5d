"""One run of `feed verify`: what is asked of a feed, what came of it, and the verdict."""

from __future__ import annotations

import argparse
import asyncio
import math
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from feed.cli import lines
from feed.cli.beside import beside
from feed.cli.tail import tell_rejected, token
from feed.client.aio import connect
from feed.client.audit import Audit, silent
from feed.client.commands import Positions
from feed.client.events import Event
from feed.client.survey import newest
from feed.errors import FeedError

EXPLAINED: Final = {
    "missing": "no tick, and no word of it",
    "duplicate": "accounted for before",
    "late": "after later seqs of the same stream",
    "foreign": "of no stream that was asked for",
    "silent": "streams that stood still to the end while the feed went on",
}

LOOK_S: Final = 0.05
SETTLE_S: Final = 2.0
CATCH_UP_S: Final = 10.0
"""How long after the end a tick may come that was published before it."""

_NEWS: Final = ("ErrorMessage", "Stale")
"""Events that are told at once, beside the counts."""


class Check:
    """One run: a connection, what is asked of it, and what came of it.

    Attributes:
        began: whether anything was subscribed.
    """

    def __init__(self, url: str, args: argparse.Namespace) -> None:
        self.began = False
        self._url = url
        self._drop_every_s: float | None = args.reconnect_every
        self._audit = Audit(args.symbols, args.channels)
        self._connection = connect(
            url,
            args.symbols,
            channels=args.channels,
            delivery=args.delivery,
            token=token(),
            on_event=self._hear,
        )
        self._started_s = self._ended_s = time.monotonic()
        self._cut_off = False
        self._unknown = ""
        self._ending = False

    @property
    def good(self) -> bool:
        """Whether something came under check, and nothing of it is unexplained."""
        unsure = self._cut_off or self._unknown
        return self.began and not unsure and not self._audit.faults

    async def run(self, limit_s: float) -> None:
        """Check for so long, or until SIGINT or SIGTERM.

        Raises:
            ConnectionFailed: there is no connection, and trying again would not help.
        """
        signals = asyncio.Semaphore(0)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, signals.release)
        reading = asyncio.create_task(self._read())
        await _interrupted(signals, reading, limit_s)
        self._ended_s = time.monotonic()
        settling = asyncio.create_task(self._settle(reading))
        if await _interrupted(signals, settling):
            self._unknown = "interrupted before the end was compared"
        await _end(settling, reading)

    async def _settle(self, reading: asyncio.Task[None]) -> None:
        """Let a connection that was just dropped come back, and what is on its way arrive."""
        ticks, self._ending = self._connection, True
        await _until(lambda: ticks.connected or reading.done(), SETTLE_S)
        if self.began and ticks.connected and not reading.done():
            await self._compare(reading)

    async def _compare(self, reading: asyncio.Task[None]) -> None:
        """Find the streams that fell silent: no later tick shows what they lack."""
        ticks = self._connection
        try:
            due = await newest(self._url, ticks.subscriptions, self._sure, token=token())
        except FeedError as error:
            self._unknown = str(error)
            return

        def left() -> list[str]:
            return [*silent(due, self._come(), ticks.subscriptions, ticks.doubtful)]

        def all_came() -> bool:
            return ticks.epoch == due.epoch and not left()

        await _until(lambda: reading.done() or (ticks.connected and all_came()), CATCH_UP_S)
        if ticks.epoch != due.epoch:
            self._unknown = "the numbering began anew"
        elif ticks.connected and not reading.done():
            self._audit.stood_still(left())

    def _come(self) -> Positions:
        """Give how far each stream has come here."""
        return Positions(self._connection.epoch, self._connection.positions())

    def _sure(self) -> Positions:
        """Give the same without the streams that may not be ours any more."""
        return self._come().without(self._connection.doubtful)

    async def _read(self) -> None:
        async with self._connection as ticks:
            if tell_rejected(ticks.rejected, ticks.subscriptions):
                return
            self.began = True
            self._started_s = time.monotonic()
            async with beside(self._chores()):
                try:
                    async for batch in ticks.batches():
                        self._audit.take(batch)
                finally:
                    self._cut_off = not ticks.connected

    def _chores(self) -> Iterator[Coroutine[Any, Any, None]]:
        if self._drop_every_s is not None:
            yield _every(self._drop_every_s, self._drop)
        if sys.stdout.isatty():
            from rich.console import Console

            console = Console(highlight=False)
            yield _every(1.0, lambda: console.print(self._line(), soft_wrap=True))

    def _drop(self) -> None:
        if not self._ending:
            self._connection.drop()

    def _hear(self, event: Event) -> None:
        self._audit.hear(event)
        if type(event).__name__ in _NEWS:
            print(f"feed: {lines.printable(lines.describe(event))}", file=sys.stderr)

    def _line(self) -> str:
        """Give what a terminal is told every second, in rich's markup."""
        passed_s = time.monotonic() - self._started_s
        faults = "  ".join(f"{kind} {count:,}" for kind, count in self._audit.faults.items())
        verdict = f"[bold red]{faults}[/]" if faults else "[green]good[/]"
        return f"{passed_s:4.0f} s  {self._counts()}  {verdict}"

    def _counts(self) -> str:
        stats, audit = self._connection.stats, self._audit
        latency = stats.latency
        return (
            f"ticks {stats.ticks:,}  streams {audit.streams:,}  skipped {stats.skipped:,}  "
            f"resumed {stats.resumed:,}  lost {audit.lost:,}  reconnects {stats.reconnects:,}"
            + (f"  p50 {latency.p50_ms:.2f} ms  p99 {latency.p99_ms:.2f} ms" if latency else "")
        )

    def report(self) -> str:
        """Say in a few lines what was seen, and whether all of it is accounted for."""
        audit = self._audit
        told = [f"checked for {self._ended_s - self._started_s:.1f} s: {self._counts()}"]
        told += [
            f"bad: {count:,} {kind}: {EXPLAINED[kind]} "
            f"(first: {lines.printable(audit.examples[kind])})"
            for kind, count in audit.faults.items()
        ]
        if audit.epochs:
            told.append(f"note: the numbering began anew: {audit.epochs}")
        if self._cut_off:
            told.append("bad: there was no connection at the end, so the last ticks are unknown")
        if self._unknown:
            why = lines.printable(self._unknown)
            told.append(f"bad: nobody knows whether streams fell silent to the end: {why}")
        if self.good:
            told.append("good: every seq is accounted for")
        return "\n".join(told)


async def _interrupted(
    signals: asyncio.Semaphore, task: asyncio.Task[None], limit_s: float | None = None
) -> bool:
    """Wait until a task is done, or for so long; tells whether a signal came before."""
    signalled = asyncio.create_task(signals.acquire())
    await asyncio.wait({task, signalled}, timeout=limit_s, return_when="FIRST_COMPLETED")
    came = signalled.done() and not task.done()
    signalled.cancel()
    return came


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks, and raise what they have failed with."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def _until(condition: Callable[[], bool], limit_s: float) -> None:
    """Wait until something is true, or for so long."""
    for _ in range(math.ceil(limit_s / LOOK_S)):
        if condition():
            return
        await asyncio.sleep(LOOK_S)


async def _every(interval_s: float, call: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(interval_s)
        call()
