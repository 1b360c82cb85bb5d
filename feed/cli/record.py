"""`feed record`: write what another feed publishes to a folder, as `feed serve --record` does."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feed.cli import tail
from feed.ticks import CHANNELS

if TYPE_CHECKING:
    from feed.client.events import Event
    from feed.recorder import Recorder

EXAMPLES = """\
examples:
  feed record ws://127.0.0.1:8080 --out tapes                      everything
  feed record --symbols 'AAPL,BTC*' --channels trades --out tapes  some of it
  feed serve --replay tapes                                        and play it
  FEED_TOKEN=feed_... feed record wss://feed.example.com --out tapes

It comes back after a lost connection and asks for what it missed; what it could not get is written
down as missing. Stop it with Ctrl-C: then every file is completed. Whatever stops it, all but the
last seconds can be played.
"""


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "record",
        help="write what a feed publishes to a folder",
        description="Record a feed: Parquet, one folder for each UTC date and channel.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    option = parser.add_argument
    option("url", nargs="?", help=f"the server (default: FEED_URL, or {tail.DEFAULT_URL})")
    option("--out", required=True, type=Path, metavar="DIR", help="folder to record into")
    option("--symbols", default="*", metavar="LIST", help="names and prefixes (default *)")
    option(
        "--channels",
        type=tail.channels,
        default=list(CHANNELS),
        metavar="LIST",
        help="of quotes, trades, bars, status (default: all)",
    )
    option("--count", type=tail.count, metavar="N", help="stop after N ticks or a few more")


def run(args: argparse.Namespace) -> int:
    """Record until interrupted, or until `--count` ticks have come."""
    import asyncio

    from feed.logs import set_up

    set_up("info")
    try:
        return asyncio.run(_record(args))
    except asyncio.CancelledError:  # SIGINT or SIGTERM: what a recording is meant to end with
        return 0


async def _record(args: argparse.Namespace) -> int:
    import asyncio
    import signal

    from feed.cli.beside import beside
    from feed.client.aio import connect
    from feed.recorder import Recorder

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    url = args.url or os.environ.get("FEED_URL") or tail.DEFAULT_URL
    symbols = list(dict.fromkeys(args.symbols.split(",")))
    ticks = connect(
        url,
        symbols,
        channels=args.channels,
        delivery="all",
        token=tail.token(),
        on_event=lambda own: _note(own, recorder),
    )
    recorder = Recorder(args.out, lambda: ticks.epoch)
    try:
        async with beside([recorder.run()]), ticks:
            if tail.tell_rejected(ticks.rejected, ticks.subscriptions):
                return 1
            left = args.count or sys.maxsize
            async for batch in ticks.batches():
                recorder.append(batch)
                left -= len(batch)
                if left <= 0:
                    break
    finally:
        await recorder.close()
        print(f"recorded {recorder.done.ticks:,} ticks into {args.out}")
    return 0


def _note(event: Event, recorder: Recorder) -> None:
    """Write down what will not come any more."""
    from feed.client.events import Gap, Skipped

    if isinstance(event, Gap | Skipped):
        recorder.lack(event.count, "they were not received")
