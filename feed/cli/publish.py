"""`feed publish`: send a file of ticks, or standard input, to a running feed."""

from __future__ import annotations

import argparse
import os
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from feed.cli.progress import counting
from feed.cli.tail import DEFAULT_URL, token
from feed.errors import SettingError

if TYPE_CHECKING:
    from feed.protocol.messages import BadTick
    from feed.tape.reader import Tape
    from feed.tape.recorded import RecordedTape

EXAMPLES = """\
examples:
  feed publish ticks.parquet                     a tape, as fast as the feed takes it
  feed publish eurusd.csv --symbol EURUSD        it has no symbol column
  feed publish ticks.ndjson --url ws://127.0.0.1:8080
  my-strategy | feed publish -                   one JSON object per line, each sent as it comes

A line is a tick as on the wire: {"type":"trade","symbol":"AAPL","price":187.2}. Without ts_event it
happens now. The feed must let you: feed serve --anonymous-publish '*'. Exit code: 0 all were taken,
1 some were rejected, or the connection was lost.
"""

PART_TICKS: Final = 10_000
READ_BYTES: Final = 1_048_576
PATIENCE_S: Final = 0.5
REASONS: Final = 5
"""How many rejections are told in full."""

LINES: Final = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz", ".ndjson.zst", ".jsonl.zst")


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    parser = commands.add_parser(
        "publish",
        help="send a file of ticks, or standard input, to a running feed",
        description="Publish the ticks of a CSV, Parquet or NDJSON file, or of standard input.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    option = parser.add_argument
    option("file", metavar="FILE", help="the file, or - for standard input")
    option("--url", help=f"the server (default: FEED_URL, or {DEFAULT_URL})")
    option("--symbol", metavar="SYMBOL", help="symbol of a tape that has no symbol column")
    option(
        "--map",
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="the tape's name of a column, such as bid=BidPrice",
    )
    option("--time-format", metavar="FORMAT", help="how the tape writes times: strptime codes")
    option("--time-zone", default="UTC", metavar="ZONE", help="zone of times that name none")
    option("--bad-rows", choices=("error", "skip"), default="error", help="of a tape")


class Supply(NamedTuple):
    """Ticks to publish.

    Attributes:
        total: how many there are, when known.
        parts: ticks, and in place of lines that are none, TickErrors.
    """

    total: int | None
    parts: Iterator[list[Any]]


def run(args: argparse.Namespace) -> int:
    """Publish everything and say what became of it; gives the exit code."""
    import asyncio

    supply = _supply(args)
    url = args.url or os.environ.get("FEED_URL") or DEFAULT_URL
    tally = Tally()
    try:
        with counting(supply.total) as advance:
            asyncio.run(_publish(url, supply, tally, advance))
    finally:
        if tally.sent:
            print(tally.summary(url), flush=True)
    return 1 if tally.rejected else 0


class Tally:
    """What was sent so far, and what became of it."""

    def __init__(self) -> None:
        self.sent = 0
        self.rejected = 0
        self._began_s = time.monotonic()

    def add(self, ticks: list[Any], rejected: list[BadTick]) -> None:
        """Count a part, and tell the first few rejections."""
        for bad in rejected[: max(0, REASONS - self.rejected)]:
            place = f"tick {self.sent + bad.index + 1:,}"
            print(f"feed: {place} was rejected: {bad.code}, {bad.message}", file=sys.stderr)
        self.sent += len(ticks)
        self.rejected += len(rejected)

    def summary(self, url: str) -> str:
        """Say how many were taken and how fast."""
        taken = self.sent - self.rejected
        seconds = max(time.monotonic() - self._began_s, 1e-3)
        rate = f"{seconds:.1f} s ({taken / seconds:,.0f} ticks/s)"
        return f"published {taken:,} ticks to {url} in {rate}, {self.rejected:,} rejected"


async def _publish(url: str, supply: Supply, tally: Tally, advance: Callable[[int], None]) -> None:
    import asyncio

    import feed
    from feed.errors import TickError
    from feed.protocol.messages import BadTick

    async with feed.connect(url, token=token()) as connection:
        while (part := await asyncio.to_thread(next, supply.parts, None)) is not None:
            bad = {at: own for at, own in enumerate(part) if isinstance(own, TickError)}
            good = [at for at in range(len(part)) if at not in bad]
            answer = await connection.publish([part[at] for at in good])
            for own in answer.rejected:
                own.index = good[own.index]
            told = [BadTick(at, own.symbol, own.code, str(own)) for at, own in bad.items()]
            tally.add(part, sorted([*answer.rejected, *told], key=lambda own: own.index))
            advance(len(part))


def _supply(args: argparse.Namespace) -> Supply:
    if args.file != "-":
        path = Path(args.file)
        return _lines(path) if path.name.lower().endswith(LINES) else _tape(path, args)
    first = os.read(sys.stdin.fileno(), READ_BYTES)
    if first.lstrip()[:1] in (b"{", b""):
        return Supply(None, _parts_of_lines(_arriving(sys.stdin.fileno(), first)))
    with tempfile.NamedTemporaryFile(suffix=".csv") as spool:  # a tape is read more than once
        spool.write(first)
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        supply = _tape(Path(spool.name), args)
        return Supply(supply.total, iter(list(supply.parts)))


def _tape(path: Path, args: argparse.Namespace) -> Supply:
    from feed.settings.parse import pairs
    from feed.tape.options import TapeOptions
    from feed.tape.reader import open_tape

    try:
        mapping = dict(pairs(args.map))
    except ValueError as error:
        raise SettingError("--map", f"{error}, was {args.map}") from None
    options = TapeOptions(
        mapping=mapping,
        symbol=args.symbol,
        time_format=args.time_format,
        time_zone=args.time_zone,
        bad_rows=args.bad_rows,
    )
    tape = open_tape([path], options)
    return Supply(tape.rows, _parts_of_tape(tape))


def _parts_of_tape(tape: Tape | RecordedTape) -> Iterator[list[Any]]:
    for block in tape.blocks():
        for start in range(0, len(block), PART_TICKS):
            yield block.ticks(start, min(start + PART_TICKS, len(block)))
    for reason in tape.skipped_reasons:
        print(f"feed: left out {reason}", file=sys.stderr)


def _lines(path: Path) -> Supply:
    from feed.tape.files import guarded, open_bytes, reading

    with reading(path):
        file = open_bytes(path)
    pieces = iter(lambda: file.read(READ_BYTES), b"")
    return Supply(None, _parts_of_lines(guarded(path, pieces)))


def _arriving(source: int, first: bytes) -> Iterator[bytes]:
    """Give what comes in, as it comes; now and then nothing, so that the reader may be stopped."""
    yield first
    while first:
        if not select.select([source], [], [], PATIENCE_S)[0]:
            yield b""
        elif piece := os.read(source, READ_BYTES):
            yield piece
        else:
            return


def _parts_of_lines(pieces: Iterator[bytes]) -> Iterator[list[Any]]:
    """Read the lines that are complete after each piece; the last one need not end."""
    from feed.protocol.codec import read_lines

    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield read_lines([line for line in lines if line.strip()])
    if rest.strip():
        yield read_lines([rest])
