"""Turn a file's time column, whatever it looks like, into nanoseconds UTC."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feed.tape.block import Times
from feed.tape.columns import Column, Instants, Mask, Numbers, texts_of
from feed.tape.options import EPOCH_UNITS, TapeOptions

if TYPE_CHECKING:
    import pandas as pd

_MAX_NS = 2**63 - 1

_COMPACT = (
    (re.compile(r"\d{8} \d{9}"), "%Y%m%d %H%M%S%f"),
    (re.compile(r"\d{8} \d{6}"), "%Y%m%d %H%M%S"),
    (re.compile(r"\d{8}"), "%Y%m%d"),
)
"""Forms that ISO 8601 does not know; the first two are HistData's."""

_DATE = re.compile(r"\d{4}-?\d\d-?\d\d")
_NUMBER = re.compile(r"\d+(\.\d*)?")
_ZONED = re.compile(r".*(?:[Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)")


class TimeReader:
    """Reads the time column of one file.

    The first cell that looks like a time settles how to read the whole file.

    Attributes:
        dates: whether the file has whole days and no time of day; known after the first `read`.
    """

    def __init__(self, options: TapeOptions, *, canonical: bool) -> None:
        self.dates = False
        self._format = options.time_format
        self._zone = options.time_zone
        self._canonical = canonical

    def read(self, column: Column) -> tuple[Times, Mask]:
        """Give nanoseconds, and a mask of the cells that are no time."""
        if isinstance(column, Instants):
            return self._instants(column)
        if isinstance(column, Numbers) and self._is_epoch(column):
            return self._numbers(column)
        return self._texts(texts_of(column).values)

    def _instants(self, column: Instants) -> tuple[Times, Mask]:
        self.dates = column.dates
        bad = np.zeros(len(column.values), bool) if column.missing is None else column.missing
        if column.aware or self._zone == "UTC":
            return column.values, bad
        import pandas as pd

        times, unplaced = self._localised(pd.DatetimeIndex(column.values.view("M8[ns]")))
        return times, bad | unplaced

    def _is_epoch(self, column: Numbers) -> bool:
        """Settle the unit by the magnitude of the first number: see docs/TAPES.md."""
        if self._format is None:
            values = column.values if column.missing is None else column.values[~column.missing]
            finite = values[np.isfinite(values)]
            self._format = self._guess(str(int(finite[0]))) if len(finite) else None
        return self._format in EPOCH_UNITS

    def _numbers(self, column: Numbers) -> tuple[Times, Mask]:
        unit = EPOCH_UNITS[self._format or "ns"]
        values = column.values
        with np.errstate(invalid="ignore"):
            bad = ~((values >= -_MAX_NS // unit) & (values <= _MAX_NS // unit))
        if column.missing is not None:
            bad |= column.missing
        values = np.where(bad, 0, values)
        whole = np.floor(values).astype(np.int64) if values.dtype.kind == "f" else values
        part = np.rint((values - whole) * unit).astype(np.int64)
        return (whole.astype(np.int64) * unit + part), bad

    def _texts(self, values: NDArray[np.object_]) -> tuple[Times, Mask]:
        if self._format is None:
            likely = next((text for text in values if text and text[0].isdigit()), None)
            if likely is None:
                return _none(len(values))
            self._format = self._guess(likely)
        if self._format in EPOCH_UNITS:
            return _decimals(values, EPOCH_UNITS[self._format])
        return self._dated(values, self._format)

    def _guess(self, text: str) -> str:
        self.dates = _DATE.fullmatch(text) is not None and _plausible_date(text)
        if text.isdigit() and len(text) == 8 and not self.dates:
            return self._unit_of(text)
        for form, time_format in _COMPACT:
            if form.fullmatch(text):
                return time_format
        return self._unit_of(text) if _NUMBER.fullmatch(text) else "ISO8601"

    def _unit_of(self, text: str) -> str:
        value = float(text)
        if value < 1e8:  # three years from 1970 as seconds: surely not what is meant
            return "ns" if self._canonical else "unknown"
        limits = ((1e11, "s"), (1e14, "ms"), (1e17, "us"))
        return next((unit for limit, unit in limits if value < limit), "ns")

    def _dated(self, values: NDArray[np.object_], time_format: str) -> tuple[Times, Mask]:
        if "%" not in time_format and time_format != "ISO8601":
            return _none(len(values))
        import pandas as pd

        texts = pd.Series(values, dtype=object)
        if self._zone == "UTC":
            return _to_ns(pd.DatetimeIndex(_parsed(texts, time_format, utc=True)))
        zoned = np.array([_is_zoned(text) for text in values], bool)
        return self._partly_zoned(texts, zoned, time_format)

    def _partly_zoned(
        self, texts: pd.Series[Any], zoned: Mask, time_format: str
    ) -> tuple[Times, Mask]:
        import pandas as pd

        times, bad = np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
        if zoned.any():
            parsed = pd.DatetimeIndex(_parsed(texts[zoned], time_format, utc=True))
            times[zoned], bad[zoned] = _to_ns(parsed)
        if not zoned.all():
            parsed = pd.DatetimeIndex(_parsed(texts[~zoned], time_format, utc=False))
            times[~zoned], bad[~zoned] = self._localised(parsed)
        return times, bad

    def _localised(self, naive: pd.DatetimeIndex) -> tuple[Times, Mask]:
        """Place local times; those that a clock change skips or repeats are no times."""
        return _to_ns(naive.tz_localize(self._zone, ambiguous="NaT", nonexistent="NaT"))


def _is_zoned(text: str | None) -> bool:
    return text is not None and not _DATE.fullmatch(text) and _ZONED.fullmatch(text) is not None


def _none(rows: int) -> tuple[Times, Mask]:
    return np.zeros(rows, np.int64), np.ones(rows, bool)


def _parsed(texts: Any, time_format: str, *, utc: bool) -> Any:
    import pandas as pd

    return pd.to_datetime(texts, format=time_format, utc=utc, errors="coerce")


def _to_ns(index: pd.DatetimeIndex) -> tuple[Times, Mask]:
    scale = EPOCH_UNITS[index.unit]
    values = index.asi8.copy()
    bad = np.asarray(index.isna()) | (np.abs(values) > _MAX_NS // scale)
    values[bad] = 0
    return values * scale, bad


def _decimals(values: NDArray[np.object_], unit: int) -> tuple[Times, Mask]:
    """Read decimal texts exactly; a float64 of seconds is only good to a quarter microsecond."""
    parsed = [_decimal_ns(text, unit) for text in values]
    bad = np.array([ns is None for ns in parsed], bool)
    return np.array([ns or 0 for ns in parsed], np.int64), bad


def _decimal_ns(text: str | None, unit: int) -> int | None:
    if text is None or not _NUMBER.fullmatch(text):
        return None
    whole, _, part = text.partition(".")
    ns = int(whole) * unit + int(part[:9].ljust(9, "0")) * unit // 1_000_000_000
    return ns if ns <= _MAX_NS else None


def _plausible_date(text: str) -> bool:
    return 1900 <= int(text[:4]) <= 2199
