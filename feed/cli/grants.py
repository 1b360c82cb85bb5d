"""The options that say what a key or token entitles to."""

from __future__ import annotations

import argparse
import re
from typing import Any, Final

from feed.ticks import CHANNELS

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,6})([smhd])")


def add(parser: argparse.ArgumentParser) -> None:
    """Declare them; `entitlements` reads them."""
    option = parser.add_argument
    option("--symbols", default="*", metavar="LIST", help="to subscribe, like 'AAPL,BTC*'")
    option("--publish", default="", metavar="LIST", help="to publish, likewise (default none)")
    option("--channels", metavar="LIST", help=f"of {', '.join(CHANNELS)} (default all)")
    option("--delay", type=seconds, metavar="TIME", help="how late ticks are, like 15m (default 0)")
    option("--session-limit", type=int, metavar="N", help="most sessions at a time")
    option("--subscription-limit", type=int, metavar="N", help="most subscriptions of a session")
    option("--admin", action="store_true", help="may see and end sessions, and control sources")


def entitlements(args: argparse.Namespace) -> dict[str, Any]:
    """Give what was asked for, in the form of a file of keys and of a token's claim."""
    asked = {
        "subscribe": _list(args.symbols),
        "publish": _list(args.publish),
        "channels": _list(args.channels or ""),
        "delay_s": args.delay,
        "session_limit": args.session_limit,
        "subscription_limit": args.subscription_limit,
        "admin": args.admin,
    }
    return {name: value for name, value in asked.items() if value not in (None, False, [])}


def seconds(text: str) -> int:
    """Read a duration such as 90s, 15m, 1h or 30d."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"must be like 90s, 15m, 1h or 30d, was {text!r}")
    return int(found[1]) * _UNITS[found[2]]


def _list(text: str) -> list[str]:
    return [own for part in text.split(",") if (own := part.strip())]
