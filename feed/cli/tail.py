"""`feed tail`: watch ticks in the terminal, or hand them on as lines."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from feed.cli import lines
from feed.ticks import CHANNELS

if TYPE_CHECKING:
    from feed.client.events import Event
    from feed.protocol.messages import Delivery, Rejection

DEFAULT_URL = "ws://127.0.0.1:8080"

EXAMPLES = """\
examples:
  feed tail                              every symbol, as a live table
  feed tail AAPL MSFT 'BTC*'             two symbols, and all that begin with BTC
  feed tail AAPL --channels trades | tee trades.txt
                                         plain lines, as it is no terminal
  feed tail --json --count 1000 > ticks.ndjson
                                         a thousand ticks, as they came over the wire
  FEED_URL=wss://feed.example.com FEED_TOKEN=feed_... feed tail

Times are UTC. The table takes quotes every 200 ms and every trade; lines are every tick.
"""


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "tail",
        help="watch ticks in the terminal, or pipe them on",
        description="Watch ticks: a live table on a terminal, one line per tick when piped.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    option = parser.add_argument
    option("symbols", nargs="*", metavar="SYMBOL", help="names, prefixes like 'BTC*' (default *)")
    option("--url", help=f"the server (default: FEED_URL, or {DEFAULT_URL})")
    option(
        "--channels",
        type=channels,
        default=["quotes", "trades"],
        metavar="LIST",
        help="of quotes, trades, bars, status (default quotes,trades)",
    )
    option("--json", action="store_true", help="one JSON object per line, as on the wire")
    option("--count", type=count, metavar="N", help="stop after N ticks")
    option(
        "--delivery",
        choices=("adaptive", "all", "latest"),
        help="every tick unless behind, every tick, or the newest state",
    )


def channels(text: str) -> list[str]:
    """Read names of channels parted by commas."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in CHANNELS:
            allowed = ", ".join(CHANNELS)
            raise argparse.ArgumentTypeError(f"channels must be of {allowed}, was {name!r}")
    return names


def count(text: str) -> int:
    """Read a number of ticks."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, was {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Watch until interrupted, or until `--count` ticks have come."""
    import asyncio

    try:
        return asyncio.run(_tail(args))
    except asyncio.CancelledError:  # SIGTERM
        return 143


async def _tail(args: argparse.Namespace) -> int:
    import asyncio
    import signal

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    url = args.url or os.environ.get("FEED_URL") or DEFAULT_URL
    symbols = list(dict.fromkeys(args.symbols)) or ["*"]
    if _table_fits(args):
        from feed.cli.table import watch

        return await watch(
            url,
            symbols,
            args.channels,
            args.delivery,
            args.count,
            tell_rejected,
            token(),
        )
    return await _lines(args, url, symbols)


def _table_fits(args: argparse.Namespace) -> bool:
    drawable = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return drawable and not args.json and bool({"quotes", "trades"}.intersection(args.channels))


async def _lines(args: argparse.Namespace, url: str, symbols: list[str]) -> int:
    from feed.client.aio import connect

    write = lines.write_json if args.json else lines.write_text
    left = args.count or sys.maxsize
    delivery: Delivery = args.delivery or "adaptive"
    async with connect(
        url,
        symbols,
        channels=args.channels,
        delivery=delivery,
        token=token(),
        on_event=_tell_event,
    ) as ticks:
        if tell_rejected(ticks.rejected, ticks.subscriptions):
            return 1
        async for batch in ticks.batches():
            write(batch[:left])
            left -= len(batch)
            if left <= 0:
                break
    return 0


def token() -> str | None:
    """Give the API key or token of this shell."""
    return os.environ.get("FEED_TOKEN") or None


def tell_rejected(rejected: Iterable[Rejection], held: Mapping[str, list[str]]) -> bool:
    """Name every symbol the server does not send as asked; True when it sends nothing at all.

    Args:
        held: channel -> what the server says it sends.
    """
    named = dict.fromkeys(lines.printable(f"{own.symbol}: {own.message}") for own in rejected)
    if named:
        print(f"feed: not subscribed: {'; '.join(named)}", file=sys.stderr)
    return not any(held.values())


def _tell_event(event: Event) -> None:
    text = lines.describe(event)
    if text:
        print(f"feed: {lines.printable(text)}", file=sys.stderr)
