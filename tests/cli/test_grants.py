from __future__ import annotations

import argparse
from typing import Any

import pytest

from feed.cli import grants
from feed.sessions.entitlements import read_entitlements


def asked(*argv: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    grants.add(parser)
    return grants.entitlements(parser.parse_args(argv))


def test_without_options_it_is_every_tick_and_no_more() -> None:
    assert asked() == {"subscribe": ["*"]}


def test_every_option_is_an_entitlement() -> None:
    found = asked(
        *("--symbols", "AAPL, BTC*", "--publish", "X", "--channels", "quotes", "--delay", "15m"),
        *("--session-limit", "2", "--subscription-limit", "9", "--admin"),
    )
    assert found == {
        "subscribe": ["AAPL", "BTC*"],
        "publish": ["X"],
        "channels": ["quotes"],
        "delay_s": 900,
        "session_limit": 2,
        "subscription_limit": 9,
        "admin": True,
    }
    assert read_entitlements(found)["delay_s"] == 900


@pytest.mark.parametrize("text", ["", "15", "0m", "-1h", "1w", "1h30m"])
def test_a_duration_has_a_number_and_a_unit(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be like 90s, 15m, 1h or 30d"):
        grants.seconds(text)
