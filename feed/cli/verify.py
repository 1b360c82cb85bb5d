"""`feed verify`: prove that a running feed loses, repeats and mixes up nothing in silence."""

from __future__ import annotations

import argparse
import math
import os
from typing import Any

from feed.cli.tail import DEFAULT_URL
from feed.ticks import CHANNELS

EXAMPLES = """\
examples:
  feed verify                                 every symbol of the local feed, for 30 s
  feed verify ws://127.0.0.1:8080 --symbols AAPL,MSFT --seconds 30
  feed verify --delivery all --channels quotes,trades,bars
  feed verify --reconnect-every 2             drop the connection every 2 s, and resume
  feed verify --seconds 3600 > report.txt && echo good

Every seq of every stream must come once and in order, or be announced as skipped, or, after a
reconnect, be admitted as lost. At the end the feed is asked, over a second connection, how far each
stream is, so that one which fell silent is found. Exit code: 0 nothing is unexplained, 1 something
is, 2 misuse. Ctrl-C ends the check early; what was seen until then is judged. Another one, or one
after the time is over, ends it at once: the end is not compared then, and the exit code is 1.
"""


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "verify",
        help="check that a running feed loses and repeats nothing",
        description="Subscribe, account for every tick, and fail on any that is unexplained.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    option = parser.add_argument
    option("url", nargs="?", help=f"the server (default: FEED_URL, or {DEFAULT_URL})")
    option(
        "--symbols",
        type=_symbols,
        default=["*"],
        metavar="LIST",
        help="names, prefixes like 'BTC*' (default *)",
    )
    option(
        "--channels",
        type=_channels,
        default=["quotes", "trades"],
        metavar="LIST",
        help="of quotes, trades, bars, status (default quotes,trades)",
    )
    option("--seconds", type=_seconds, default=30.0, metavar="S", help="how long (default 30)")
    option(
        "--delivery",
        choices=("adaptive", "all"),
        default="adaptive",
        help="may the server skip state while this client is behind? (default adaptive: yes)",
    )
    option(
        "--reconnect-every",
        type=_seconds,
        metavar="S",
        help="drop the connection this often, and resume",
    )


def _symbols(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"must be names parted by commas, was {text!r}")
    return list(dict.fromkeys(names))


def _channels(text: str) -> list[str]:
    names = _symbols(text)
    for name in names:
        if name not in CHANNELS:
            allowed = ", ".join(CHANNELS)
            raise argparse.ArgumentTypeError(f"channels must be of {allowed}, was {name!r}")
    return names


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 1e7:
        raise argparse.ArgumentTypeError(f"must be a number of seconds from 0.1, was {text!r}")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Check until the time is over or a signal comes; gives the exit code."""
    import asyncio

    from feed.cli.check import Check

    url = args.url or os.environ.get("FEED_URL") or DEFAULT_URL
    check = Check(url, args)
    try:
        asyncio.run(check.run(args.seconds))
    finally:
        if check.began:
            print(check.report(), flush=True)
    return 0 if check.good else 1
