"""Pick the command, run it, and turn what went wrong into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import feed
from feed.cli import dev_cert, keys, publish, record, serve, simulate, tail, token, verify
from feed.errors import FeedError, SettingError

EXAMPLES = """\
examples:
  feed serve                          replay the shipped tape on 127.0.0.1:8080
  feed serve --replay ticks.parquet   replay your own file
  feed serve --simulate 500           a simulated market of 500 symbols
  feed tail AAPL MSFT                 watch two symbols in this terminal
  feed publish ticks.parquet          send your own ticks to a feed that takes them
  feed verify --seconds 30            check that nothing is lost, doubled or out of order
"""


def parser() -> argparse.ArgumentParser:
    """Build the argument parser of every command."""
    top = argparse.ArgumentParser(
        prog="feed",
        description="Stream market data to exactly the clients that subscribed to it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"feed {feed.__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (serve, tail, publish, verify, simulate, record, keys, token, dev_cert):
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code: 0 done, 1 failed, 2 misused, 130 interrupted."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except SettingError as error:
        return _complain(error, 2)
    except FeedError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `feed tail | head`: the reader has gone, which is no error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _complain(error: FeedError, code: int) -> int:
    print(f"feed: {error}", file=sys.stderr)
    return code
