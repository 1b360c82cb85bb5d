"""The live table of `feed tail`: drawn ten times a second from the newest state."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from feed.cli import lines
from feed.cli.beside import beside
from feed.cli.board import Board, Price, Row
from feed.client.aio import Connection, connect
from feed.client.stats import Latencies
from feed.protocol.messages import Delivery, Rejection, Snapshot
from feed.ticks import Tick, Trade

if TYPE_CHECKING:
    from feed.client.events import Event

REPAINT_S: Final = 0.1
FLASH_S: Final = 0.3
QUOTES_INTERVAL_MS: Final = 200
_SIGN: Final = {1: "▲", 0: " ", -1: "▼"}
_COLOUR: Final = {1: "green", 0: "", -1: "red"}
_FRAME_LINES: Final = 5
"""Lines of the screen that are no rows: the head with its rule, and the footer."""

_COLUMNS: Final = ("bid", "ask", "spread", "last", "change", "volume", "time (UTC)")


class Screen:
    """The table and its footer, as they are at a moment of the monotonic clock."""

    def __init__(self, board: Board, ticks: Connection, url: str) -> None:
        self.news = ""
        self._board = board
        self._ticks = ticks
        self._url = url
        self._latencies = Latencies()
        self._rate = 0.0
        self._rated = (0.0, 0)

    def hear(self, event: Event) -> None:
        """Show a snapshot in the table, and what happened in the footer."""
        if isinstance(event, Snapshot):
            self._board.row(event.symbol).snapshot(event, time.monotonic())
        else:
            self.news = lines.printable(lines.describe(event)) or self.news

    def take(self, ticks: list[Tick]) -> None:
        """Take in what was read; quotes wait for their interval, so trades tell the latency."""
        self._board.take(ticks, time.monotonic())
        trade = next((tick for tick in reversed(ticks) if isinstance(tick, Trade)), None)
        if trade is not None:
            self._latencies.add(time.time_ns() - trade.ts_out)

    def draw(self, now_s: float, height: int) -> Group:
        """Give what fits into a screen of so many lines."""
        rows = self._board.first(max(1, height - _FRAME_LINES))
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        table.add_column("symbol")
        for name in _COLUMNS:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*_cells(row, now_s))
        return Group(table, Text(), self._hidden(len(rows)), self._footer(now_s))

    def _hidden(self, shown: int) -> Text:
        more = len(self._board) - shown
        return Text(f"… and {more:,} more symbols (name some to watch them)" if more else "", "dim")

    def _footer(self, now_s: float) -> Text:
        stats = self._ticks.stats
        latency = self._latencies.percentiles()
        state = self._state()
        parts = [
            f" {self._url}",
            f"{self._ticks_per_s(now_s):,.0f} ticks/s",
            f"latency {latency.p50_ms:.1f} ms" if latency else "latency –",
            f"skipped {stats.skipped:,}",
            f"gaps {stats.gaps:,}",
        ]
        colour = "green" if state == "live" else "yellow"
        foot = Text.assemble((f"● {state}", colour), "  ".join(parts), no_wrap=True)
        return foot.append(f"  {self.news}", "yellow") if self.news else foot

    def _state(self) -> str:
        if not self._ticks.connected:
            return "reconnecting"
        states = set(self._ticks.sources.values())
        return "/".join(sorted(states)) if states and "live" not in states else "live"

    def _ticks_per_s(self, now_s: float) -> float:
        since_s, since = self._rated
        if now_s - since_s >= 1:
            count = self._ticks.stats.ticks
            self._rate = (count - since) / (now_s - since_s) if since_s else 0.0
            self._rated = (now_s, count)
        return self._rate


def _cells(row: Row, now_s: float) -> list[Text]:
    places = row.decimals
    return [
        Text(lines.printable(row.symbol), "bold"),
        _price(row.bid, places, now_s),
        _price(row.ask, places, now_s),
        Text("–" if row.spread is None else f"{row.spread:.{places}f}"),
        _price(row.last, places, now_s),
        _change(row.change_percent),
        Text("–" if row.volume is None else f"{row.volume:,.10g}"),
        Text(lines.utc(row.ts_event)[11:23] if row.ts_event else "–"),
    ]


def _price(price: Price, places: int, now_s: float) -> Text:
    """Draw a price: the sign says which way it moved last, the colour flashes when it does."""
    if price.value is None:
        return Text("–")
    colour = _COLOUR[price.direction]
    flashing = colour and now_s - price.moved_s < FLASH_S
    text = Text(f"{price.value:.{places}f} ", f"bold {colour} reverse" if flashing else "")
    return text.append(_SIGN[price.direction], colour)


def _change(percent: float | None) -> Text:
    if percent is None:
        return Text("–")
    direction = (percent > 0) - (percent < 0)
    return Text(f"{percent:+.2f} % {_SIGN[direction]}", _COLOUR[direction])


async def watch(
    url: str,
    symbols: list[str],
    channels: list[str],
    delivery: Delivery | None,
    count: int | None,
    tell_rejected: Callable[[list[Rejection], dict[str, list[str]]], bool],
    token: str | None = None,
) -> int:
    """Show the table until interrupted or until so many ticks have come."""
    console = Console()
    news: list[Event] = []
    listen: Callable[[Event], None] = news.append
    async with connect(url, token=token, on_event=lambda event: listen(event)) as ticks:
        screen = Screen(Board(), ticks, url)
        listen = screen.hear
        rejected = await _subscribe(ticks, symbols, channels, delivery)
        if tell_rejected(rejected, ticks.subscriptions):
            return 1
        async with _painting(screen, console):
            left = count or sys.maxsize
            async for batch in ticks.batches():
                screen.take(batch[:left])
                left -= len(batch)
                if left <= 0:
                    break
    return 0


async def _subscribe(
    ticks: Connection, symbols: list[str], channels: list[str], delivery: Delivery | None
) -> list[Rejection]:
    """Take quotes as they look now and then, but every trade, as each counts in the volume."""
    rejected: list[Rejection] = []
    for channel in channels:
        suited: Delivery = "latest" if channel == "quotes" else "adaptive"
        ack = await ticks.subscribe(
            symbols,
            channels=channel,
            delivery=delivery or suited,
            interval_ms=QUOTES_INTERVAL_MS,
        )
        rejected += ack.rejected
    return rejected


@contextlib.asynccontextmanager
async def _painting(screen: Screen, console: Console) -> AsyncIterator[None]:
    """Repaint while the block runs, then leave the terminal as it was and the last state on it."""
    try:
        with Live(console=console, auto_refresh=False, screen=True) as live:
            async with beside([_paint(screen, console, live)]):
                yield
    finally:
        console.print(screen.draw(time.monotonic(), console.height))


async def _paint(screen: Screen, console: Console, live: Live) -> None:
    while True:
        live.update(screen.draw(time.monotonic(), console.height), refresh=True)
        await asyncio.sleep(REPAINT_S)
