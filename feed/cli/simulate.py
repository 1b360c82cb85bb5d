"""`feed simulate`: write a tape of a simulated market, of any length, in constant memory."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from feed.cli.progress import counting, tape_time
from feed.errors import SettingError

END_NS: Final = 7_258_118_400_000_000_000
"""2200-01-01, well within what 64 bits of nanoseconds can say."""

EXAMPLES = """\
examples:
  feed simulate --out ticks.csv.gz                    100,000 ticks of eight symbols
  feed simulate --out big.parquet --ticks 20000000    twenty million, in constant memory
  feed simulate --out my.parquet --symbols AAPL,MSFT --rate 50 --seed 7
  feed simulate --out wide.parquet --symbols 500      of S000 to S499

The same seed, symbols, rate and start give the same ticks, byte for byte. The tape says in its
column `source` that it is synthetic.
"""


def add(commands: Any) -> None:
    """Declare the command and its arguments."""
    command = commands.add_parser(
        "simulate",
        help="write a tape of a simulated market",
        description="Write a tape of a simulated market: quotes and trades, in order of time.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FILE",
        help="the tape: .csv, .csv.gz, .csv.zst or .parquet; replaced if it exists",
    )
    command.add_argument(
        "--ticks", default="100000", metavar="N", help="how many (default: 100000)"
    )
    command.add_argument(
        "--symbols",
        metavar="NAMES|COUNT",
        help="names separated by commas, or a number, such as 500 for S000 to S499"
        " (default: eight well-known names)",
    )
    command.add_argument(
        "--rate",
        metavar="R",
        help="mean ticks per second, of all symbols together (default: 20 each)",
    )
    command.add_argument(
        "--seed", metavar="N", help="repeats a tape (default: a new one, which is printed)"
    )
    command.add_argument(
        "--start",
        metavar="T",
        help="time of the start, ISO 8601, UTC if it names no zone (default: 2026-01-05T14:30:00Z)",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the tape and say what is in it.

    Raises:
        SettingError, TapeError, MissingExtraError: when an argument or the file is no good.
    """
    from feed.sources.market import Market
    from feed.tape.writer import TapeWriter

    plan = _plan(args)
    market = Market(plan.symbols, rate=plan.rate, seed=plan.seed, start_ns=plan.start_ns)
    last_ns = plan.start_ns
    with TapeWriter(args.out, source="synthetic") as tape, counting(plan.ticks) as advance:
        for block in market.first(plan.ticks):
            tape.write(block)
            advance(len(block))
            last_ns = int(block.ts_event[-1])
    print(
        f"wrote {plan.ticks:,} ticks of {len(plan.symbols):,} symbols to {args.out},"
        f" {tape_time(plan.start_ns)} to {tape_time(last_ns)} UTC, seed {plan.seed}"
    )
    return 0


class _Plan(NamedTuple):
    symbols: tuple[str, ...]
    ticks: int
    rate: float
    seed: int
    start_ns: int


def _plan(args: argparse.Namespace) -> _Plan:
    from feed.settings.parse import moment, number, whole
    from feed.sources import simulate

    symbols: tuple[str, ...] = simulate.DEFAULT_SYMBOLS
    if args.symbols is not None:
        symbols = simulate.parse_symbols(args.symbols)
    ticks = _read("--ticks", args.ticks, whole(1, 10**12))
    rate = _read("--rate", args.rate, number(0.001, simulate.RATE_MAX))
    rate = simulate.default_rate(len(symbols)) if rate is None else rate
    seed = _read("--seed", args.seed, whole(0, 2**63 - 1))
    start_ns = _read("--start", args.start, moment)
    start_ns = simulate.START_NS if start_ns is None else start_ns
    if not 0 <= start_ns < END_NS - 2 * ticks / rate * 1e9:
        raise SettingError("--start", "must be such that the tape lies in the years 1970 to 2199")
    return _Plan(symbols, ticks, rate, secrets.randbits(32) if seed is None else seed, start_ns)


def _read(option: str, text: str | None, parse: Callable[[str], Any]) -> Any:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise SettingError(option, f"{error}, was {text!r}") from None
