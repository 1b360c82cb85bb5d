"""What every scenario may be asked: on the command line, in the web UI and by variables."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from feed.client.commands import Terms
from feed.errors import SettingError
from feed.protocol.messages import Delivery
from feed.ticks import CHANNELS

DISCOVER: Final = "all"


@dataclass(frozen=True)
class Thresholds:
    """What a run must keep to; None means that nobody asked.

    Attributes:
        max_p99_ms: of the tick latency.
        max_gaps: missing seqs that nobody owned up to.
        min_ticks_per_s: of all users together, once all have started.
        max_recovery_s: from a lost connection until everything is live again, p99.
    """

    max_p99_ms: float | None = None
    max_gaps: int = 0
    min_ticks_per_s: float | None = None
    max_recovery_s: float | None = None


@dataclass(frozen=True)
class Options:
    """What the users of a run do.

    Attributes:
        universe: the symbols to choose from; empty means all that the feed has.
        metrics: an address, `auto` or `off`.
    """

    universe: list[str] = field(default_factory=list)
    symbols_per_user: int = 20
    zipf: float = 1.0
    channels: list[str] = field(default_factory=lambda: ["quotes", "trades"])
    terms: Terms = field(default_factory=Terms)
    batch: bool = False
    token: str | None = None
    delayed_ms: float = 1000.0
    metrics: str = "auto"
    thresholds: Thresholds = field(default_factory=Thresholds)


def declare(parser: argparse._ActionsContainer, *, of_locust: bool = True) -> None:
    """Add the options to a parser; only Locust's knows variables and what is secret."""
    secret: dict[str, Any] = {"env_var": "FEED_TOKEN", "is_secret": True} if of_locust else {}
    option: Any = parser.add_argument
    option(
        "--universe",
        default=DISCOVER,
        metavar="LIST|COUNT",
        help="symbols to choose from: names, a number (S000...), P*50 (P000...), or all there are",
    )
    option("--symbols-per-user", type=int, default=20, metavar="N", help="of each watchlist")
    option("--zipf", type=float, default=1.0, metavar="S", help="0: all symbols equally popular")
    option("--channels", default="quotes,trades", metavar="LIST", help=f"of {','.join(CHANNELS)}")
    option("--delivery", default="adaptive", choices=get_args(Delivery), help="delivery contract")
    option("--interval-ms", type=int, default=250, metavar="MS", help="of --delivery latest")
    option("--batch", default="no", choices=("no", "yes"), help="several ticks in one message")
    option("--token", default="", help="who the users are", **secret)
    option("--delayed-ms", type=float, default=1000.0, metavar="MS", help="fault: latency above")
    option(
        "--metrics",
        default="auto",
        metavar="URL|off",
        help="where the server's own counts are, to be compared (default: /metrics of the host)",
    )
    option("--max-p99-ms", default="", metavar="MS", help="fail above this p99 tick latency")
    option("--max-gaps", type=int, default=0, metavar="N", help="fail above so many missing ticks")
    option("--min-ticks-per-s", default="", metavar="N", help="fail below, all users together")
    option("--max-recovery-s", default="", metavar="S", help="fail above this p99 recovery time")


def read(given: Mapping[str, Any]) -> Options:
    """Check what was given; the web UI gives text.

    Raises:
        SettingError: a value is not allowed.
    """
    return Options(
        universe=_universe(str(given["universe"])),
        symbols_per_user=_whole("--symbols-per-user", given["symbols_per_user"], least=1),
        zipf=_number("--zipf", given["zipf"]) or 0.0,
        channels=_channels(str(given["channels"])),
        terms=Terms(
            _choice("--delivery", given["delivery"], get_args(Delivery)),
            _whole("--interval-ms", given["interval_ms"], least=10),
        ),
        batch=_choice("--batch", given["batch"], ("no", "yes")) == "yes",
        token=str(given["token"]) or None,
        delayed_ms=_number("--delayed-ms", given["delayed_ms"]) or 1000.0,
        metrics=str(given["metrics"]),
        thresholds=Thresholds(
            _number("--max-p99-ms", given["max_p99_ms"]),
            _whole("--max-gaps", given["max_gaps"], least=0),
            _number("--min-ticks-per-s", given["min_ticks_per_s"]),
            _number("--max-recovery-s", given["max_recovery_s"]),
        ),
    )


def _universe(text: str) -> list[str]:
    if text == DISCOVER:
        return []
    series = re.fullmatch(r"(?:(\w+)\*)?(\d+)", text)
    if series:
        prefix, count = series[1] or "S", int(series[2])
        width = max(3, len(str(count - 1)))
        return [f"{prefix}{place:0{width}}" for place in range(count)]
    return [name.strip() for name in text.split(",") if name.strip()]


def _channels(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        _choice("--channels", name, CHANNELS)
    return names


def _choice(option: str, value: object, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise SettingError(option, f"must be one of {', '.join(allowed)}, was {value!r}")
    return value


def _whole(option: str, value: object, *, least: int) -> int:
    number = _number(option, value)
    if number is None or number < least or number != int(number):
        raise SettingError(option, f"must be a whole number from {least}, was {value!r}")
    return int(number)


def _number(option: str, value: object) -> float | None:
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise SettingError(option, f"must be a number from 0, was {value!r}")
    return number
