"""`feed serve`: run a feed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from dataclasses import fields
from typing import Any

EXAMPLES = """\
examples:
  feed serve                                           the shipped tape, in a loop
  feed serve --replay ticks.parquet --speed 10         your file, ten times as fast
  feed serve --replay usdjpy.csv --symbol USDJPY       a file without a symbol column
  feed serve --replay quotes.csv --map bid=BidPrice --map ask=AskPrice
  feed serve --simulate AAPL,MSFT --rate 1000 --seed 7
  feed serve --simulate 500 --port 9000
  FEED_PORT=9000 feed serve --show-settings            every setting, and where it comes from

Settings come from flags, then FEED_* variables, then the TOML file of --config, then defaults.
"""

DEFAULT_COUNT = "100"

REFERENCE = """\
# Settings of `feed serve`

A value comes from the flag, else from the variable, else from the TOML file that `--config FILE`
names (`port = 9000`), else it is the default. `feed serve --show-settings` prints each value and
where it came from. Lists are flags given several times, or texts parted by commas in a variable.
Times are ISO 8601 (UTC where no zone is given) or integer nanoseconds since 1970.

A value that is not allowed ends the process with exit code 2, an address that cannot be had or a
tape that cannot be read with 1; either way with one line that says why.

This page is generated: `feed serve --show-settings=markdown > docs/SETTINGS.md`."""

HEAD = """
## {heading}

| setting | flag | variable | default | what it does |
|---|---|---|---|---|"""


def add(commands: Any) -> None:
    """Declare the command; every setting is a flag of the same name."""
    from feed.settings.declared import groups

    parser = commands.add_parser(
        "serve",
        help="replay or simulate market data and stream it",
        description="Replay or simulate market data and stream it over WebSocket.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    for heading, settings in groups():
        group = parser.add_argument_group(heading)
        for own in settings:
            group.add_argument(f"--{own.name.replace('_', '-')}", **_argument(own))
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings")
    parser.add_argument(
        "--stop-on-eof",
        action="store_true",
        help="stop when standard input ends, and so with the program that writes to it",
    )
    parser.add_argument(
        "--show-settings",
        nargs="?",
        const="table",
        choices=("table", "markdown"),
        help="print every setting and its origin (or docs/SETTINGS.md), and exit",
    )


def _argument(own: Any) -> dict[str, Any]:
    default = own.default
    shown = "" if default in (None, (), False) else f" (default {_shown(default)})"
    told: dict[str, Any] = {"help": own.metadata["help"] + shown, "default": None}
    if isinstance(default, bool):
        return told | {"action": "store_true"}
    told["metavar"] = own.metadata["metavar"]
    if isinstance(default, tuple):
        return told | {"action": "append"}
    if own.name == "simulate":
        return told | {"nargs": "?", "const": DEFAULT_COUNT}
    return told


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; gives the exit code."""
    from feed.settings import load

    loaded = load(vars(args), file=args.config)
    if args.show_settings:
        print(markdown() if args.show_settings == "markdown" else table(loaded))
        return 0
    from feed.cli.progress import watch
    from feed.logs import set_up
    from feed.loop import run as play
    from feed.node import Node

    settings = loaded.settings
    set_up(settings.log_level, settings.log_format, access=settings.access_log)
    if args.stop_on_eof:
        threading.Thread(target=stop_on_eof, daemon=True).start()
    node = Node(loaded.settings)
    secure = "s" if loaded.settings.tls_cert else ""
    with watch(node):
        play(node.run(lambda address: announce(address, secure)))
    return 0


def stop_on_eof() -> None:
    """Wait until standard input ends, then stop as if told to by SIGTERM."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def announce(address: str, secure: str = "") -> None:
    """Tell the address on standard output; with an `s` in the right places where there is TLS."""
    print(f"feed is serving http{secure}://{address}/ (stream ws{secure}://{address}/v1/stream)")
    print("watch it with: ./run tail   (installed: feed tail)   stop it with: Ctrl-C", flush=True)


def table(loaded: Any) -> str:
    """Give each setting, its value and where that came from, one per line."""
    return "\n".join(
        f"{own.name:24} {_shown(getattr(loaded.settings, own.name)):24} "
        f"{loaded.of.get(own.name, 'default')}"
        for own in fields(loaded.settings)
    )


def markdown() -> str:
    """Give what docs/SETTINGS.md holds."""
    from feed.settings.declared import groups

    parts = [REFERENCE]
    for heading, settings in groups():
        parts += [HEAD.format(heading=heading), *map(_row, settings)]
    return "\n".join(parts)


def _row(own: Any) -> str:
    flag = f"--{own.name.replace('_', '-')} {own.metadata['metavar']}".strip()
    default = f"`{_shown(own.default)}`" if _shown(own.default) else ""
    cells = (f"`{own.name}`", f"`{flag}`", f"`FEED_{own.name.upper()}`", default)
    row = (cell.replace("|", r"\|") for cell in (*cells, own.metadata["help"]))
    return f"| {' | '.join(row)} |"


def _shown(value: Any) -> str:
    """Write a value the way that a variable takes it."""
    if isinstance(value, tuple):
        return ",".join("=".join(own) if isinstance(own, tuple) else own for own in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
