"""What the user tells about tapes that their columns do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from feed.errors import SettingError
from feed.symbols import SYMBOL_GRAMMAR, symbol_ok
from feed.tape.block import VALUE_COLUMNS

BadRows = Literal["error", "skip"]

CANONICAL: Final = (
    "ts_event",
    "symbol",
    "type",
    *dict.fromkeys(name for names in VALUE_COLUMNS.values() for name in names),
)
"""Every column a tape can have, by the name it has on the wire."""

EPOCH_UNITS: Final[dict[str, int]] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds per unit of a numeric epoch."""


@dataclass(frozen=True, slots=True)
class TapeOptions:
    """How to read tapes; the default reads whatever is recognised.

    Attributes:
        mapping: canonical column -> the file's column, where that is not recognised.
        symbol: the symbol of files that have no symbol column.
        time_format: a strptime format, or s, ms, us or ns for numeric epochs; None recognises.
        time_zone: IANA name of the zone of times that carry none.
        bad_rows: `error` stops at the first bad row, `skip` counts it and goes on.
        start_ns: leaves out ticks before it.
        end_ns: leaves out ticks at or after it.

    Raises:
        SettingError: when a value is not allowed.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    symbol: str | None = None
    time_format: str | None = None
    time_zone: str = "UTC"
    bad_rows: BadRows = "error"
    start_ns: int | None = None
    end_ns: int | None = None

    def __post_init__(self) -> None:
        self._check_mapping()
        if self.symbol is not None and not symbol_ok(self.symbol):
            raise SettingError("symbol", f"must be {SYMBOL_GRAMMAR}, was {self.symbol!r}")
        if self.time_format is not None:
            _check_time_format(self.time_format)
        _check_zone(self.time_zone)
        if self.bad_rows not in ("error", "skip"):
            raise SettingError("bad_rows", f"must be error or skip, was {self.bad_rows!r}")
        if self.start_ns is not None and self.end_ns is not None and self.start_ns >= self.end_ns:
            raise SettingError("start", "must be before end")

    def _check_mapping(self) -> None:
        for name in self.mapping:
            if name not in CANONICAL:
                allowed = ", ".join(CANONICAL)
                raise SettingError("map", f"must name one of {allowed}, was {name!r}")


def _check_time_format(text: str) -> None:
    if text not in EPOCH_UNITS and not _is_strptime(text):
        raise SettingError(
            "time_format",
            f"must be s, ms, us, ns or a format such as '%Y%m%d %H%M%S%f', was {text!r}",
        )


def _is_strptime(text: str) -> bool:
    try:
        datetime.strptime(datetime(2020, 1, 2, tzinfo=UTC).strftime(text), text)
    except ValueError:
        return False
    return "%" in text


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise SettingError(
            "time_zone", f"must be an IANA name such as UTC or America/New_York, was {name!r}"
        ) from None
