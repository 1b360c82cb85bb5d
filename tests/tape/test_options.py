"""What a user may tell about tapes."""

from __future__ import annotations

from typing import Any

import pytest

from feed.errors import SettingError
from feed.tape.options import TapeOptions


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mapping": {"bid": "BidPrice", "ts_event": "T"}},
        {"symbol": "BTC/USDT"},
        {"time_format": "us"},
        {"time_format": "%Y%m%d %H%M%S%f"},
        {"time_format": "%d.%m.%Y %H:%M:%S.%f%z"},
        {"time_zone": "America/New_York"},
        {"start_ns": 1, "end_ns": 2},
    ],
)
def test_what_is_documented_is_accepted(options: dict[str, Any]) -> None:
    for name, value in options.items():
        assert getattr(TapeOptions(**options), name) == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mapping": {"bidprice": "b"}}, "map must name one of ts_event, symbol, .*'bidprice'"),
        ({"symbol": "EUR USD"}, "symbol must be 1 to 40 of .*, was 'EUR USD'"),
        ({"time_format": "minutes"}, "time_format must be s, ms, us, ns or .*, was 'minutes'"),
        ({"time_format": "%Q"}, "time_format must be s, ms, us, ns or .*, was '%Q'"),
        ({"time_zone": "Mars"}, "time_zone must be an IANA name .*, was 'Mars'"),
        ({"time_zone": "../etc"}, "time_zone must be an IANA name"),
        ({"bad_rows": "keep"}, "bad_rows must be error or skip, was 'keep'"),
        ({"start_ns": 2, "end_ns": 2}, "start must be before end"),
    ],
)
def test_what_is_not_allowed_is_refused_with_the_value(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        TapeOptions(**options)
