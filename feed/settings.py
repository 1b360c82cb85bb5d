"""Every setting of a feed process, and where its value came from.

A value is looked for among the flags, then in the variable FEED_<NAME>, then in the TOML file, and
else is the default. docs/SETTINGS.md is `feed serve --show-settings=markdown`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, Final

from feed.errors import SettingError

Parse = Callable[[Any], Any]

_NANOSECONDS: Final = re.compile(r"-?[0-9]{9,20}")  # eight digits are a date


def text(value: Any) -> str:
    """Take a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    return value


def flag(value: Any) -> bool:
    """Take true or false, also as words."""
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("must be true or false")


def whole(low: int, high: int) -> Parse:
    """Take an integer of a range, both ends included."""

    def parse(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str | int) else None
        except ValueError:
            number = None
        if number is None or isinstance(value, bool) or not low <= number <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return number

    return parse


def number(low: float, high: float, note: str = "") -> Parse:
    """Take a finite number of a range, both ends included."""

    def parse(value: Any) -> float:
        try:
            found = float(value) if isinstance(value, str | int | float) else None
        except (ValueError, OverflowError):
            found = None
        if (
            found is None
            or isinstance(value, bool)
            or not (isfinite(found) and low <= found <= high)
        ):
            raise ValueError(f"must be a number from {low:g} to {high:g}{note}")
        return found

    return parse


def choice(*allowed: str) -> Parse:
    """Take one of some words."""

    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return parse


def texts(value: Any) -> tuple[str, ...]:
    """Take a list of texts; one text may hold several, parted by commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(
        own and isinstance(own, str) for own in items
    ):
        raise ValueError("must be a list of texts that are not empty")
    return tuple(items)


def pairs(value: Any) -> tuple[tuple[str, str], ...]:
    """Take NAME=COLUMN pairs, as texts or as a TOML table."""
    if isinstance(value, Mapping):
        return tuple((str(name), str(column)) for name, column in value.items())
    found = [own.partition("=") for own in texts(value)]
    if not all(name and column for name, _, column in found):
        raise ValueError("must be NAME=COLUMN, such as bid=BidPrice")
    return tuple((name, column) for name, _, column in found)


def moment(value: Any) -> int:
    """Take ISO 8601 (UTC where no zone is given) or integer nanoseconds; gives nanoseconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    written = str(value)  # TOML has dates and times of its own
    if _NANOSECONDS.fullmatch(written):
        return int(written)
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("must be ISO 8601 or integer nanoseconds since 1970") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    seconds = int(at.replace(microsecond=0).timestamp())
    return seconds * 1_000_000_000 + at.microsecond * 1_000


def setting(default: Any, parse: Parse, help: str, metavar: str = "") -> Any:
    """Declare one setting: its default, how it is read, and a sentence on what it does."""
    return field(default=default, metadata={"parse": parse, "help": help, "metavar": metavar})


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings; frozen, so that whoever holds them sees the same."""

    host: str = setting("127.0.0.1", text, "address to listen on", "ADDRESS")
    port: int = setting(8080, whole(0, 65_535), "port to listen on; 0 picks a free one", "PORT")
    replay: tuple[str, ...] = setting(
        (), texts, "tape to replay: a CSV or Parquet file, or a folder of them", "PATH"
    )
    speed: float = setting(
        1.0,
        number(0, 1e9, " (0 means as fast as possible)"),
        "how many times as fast as recorded; 0 is as fast as possible",
        "FACTOR",
    )
    loop: bool = setting(False, flag, "start over when the tape ends")
    start: int | None = setting(None, moment, "first ts_event to replay", "TIME")
    end: int | None = setting(None, moment, "ts_event to stop before", "TIME")
    symbol: str | None = setting(None, text, "symbol of tapes that have no symbol column", "SYMBOL")
    map: tuple[tuple[str, str], ...] = setting(
        (), pairs, "the tape's name of a column, such as bid=BidPrice", "NAME=COLUMN"
    )
    time_format: str | None = setting(
        None, text, "how the tape writes times: strptime codes, or s, ms, us, ns", "FORMAT"
    )
    time_zone: str = setting("UTC", text, "zone of tape times that name none", "ZONE")
    bad_rows: str = setting(
        "error", choice("error", "skip"), "what to do with a row that is not a tick", "error|skip"
    )
    simulate: str | None = setting(
        None, text, "simulate a market: names parted by commas, or how many", "SYMBOLS|COUNT"
    )
    rate: float | None = setting(
        None, number(0.001, 1e7), "simulated ticks per second, all symbols together", "TICKS_PER_S"
    )
    seed: int | None = setting(
        None, whole(0, 2**63 - 1), "seed of the simulation: the same seed, the same ticks", "N"
    )
    flush_interval_ms: float = setting(
        0.0, number(0, 1000), "collect ticks this long before sending; 0 is one loop turn", "MS"
    )
    heartbeat_interval_s: float = setting(
        5.0, number(0.1, 60), "how often each session gets a heartbeat", "S"
    )
    silence_limit_s: float = setting(
        25.0,
        number(1, 3600),
        "how long a peer may send nothing, not even a pong, before it is closed with 4002",
        "S",
    )
    connection_limit: int | None = setting(
        None, whole(1, 1_000_000), "most sessions at a time; else what RLIMIT_NOFILE allows", "N"
    )
    outbox_limit_bytes: int = setting(
        1_048_576, whole(65_536, 2**31), "unsent bytes that end a session with 4001", "BYTES"
    )
    session_subscriptions: int = setting(
        10_000, whole(1, 1_000_000), "most subscriptions (channel and symbol) of a session", "N"
    )
    session_wildcards: int = setting(
        100, whole(1, 10_000), "most wildcard subscriptions of a session", "N"
    )
    message_limit_bytes: int = setting(
        65_536, whole(1024, 2**24), "largest message a client may send", "BYTES"
    )
    send_buffer_bytes: int = setting(
        262_144, whole(4096, 2**24), "the kernel's send buffer of each connection", "BYTES"
    )
    journal_ticks_per_stream: int = setting(
        4096, whole(0, 1_000_000), "recent ticks that each stream keeps for resumes", "N"
    )
    journal_limit_bytes: int = setting(
        67_108_864, whole(0, 2**40), "memory for all recent ticks together", "BYTES"
    )
    state_dir: str | None = setting(
        None, text, "folder that keeps numbering, last values and journal over a restart", "DIR"
    )
    state_flush_interval_s: float = setting(
        1.0, number(0.05, 3600), "how often ticks are written to the state folder", "S"
    )
    drain_timeout_s: float = setting(
        30.0, number(0, 600), "how long a stopping feed waits for its sessions", "S"
    )
    log_level: str = setting(
        "info", choice("debug", "info", "warning", "error"), "least level to log", "LEVEL"
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `--port`, `FEED_PORT`, the file's path, or `default`."""

    settings: Settings
    of: Mapping[str, str]


def load(
    flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ, file: str | None = None
) -> Origin:
    """Merge flags, variables, file and defaults.

    Raises:
        SettingError: a value is not allowed, or the file has a setting that does not exist.
    """
    stored = _read_file(file)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for own in fields(Settings):
        name = own.name
        variable = f"FEED_{name.upper()}"
        for origin, found in (
            (f"--{name.replace('_', '-')}", flags.get(name)),
            (variable, environment.get(variable)),
            (file or "", stored.get(name)),
        ):
            if found is not None:
                values[name] = _parsed(own.metadata["parse"], found, origin, name)
                origins[name] = origin
                break
    return Origin(Settings(**values), origins)


def _parsed(parse: Parse, found: Any, origin: str, name: str) -> Any:
    try:
        return parse(found)
    except ValueError as error:
        where = origin if origin.startswith(("-", "FEED_")) else f"{origin}: {name}"
        raise SettingError(where, f"{error}, was {str(found)[:64]!r}") from None


def _read_file(file: str | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        stored = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError("--config", f"cannot be read: {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError("--config", f"must be TOML, {file} is not: {error}") from None
    known = {own.name for own in fields(Settings)}
    for name in stored:
        if name not in known:
            raise SettingError(file, f"has an unknown setting '{name}', see --show-settings")
    return stored
