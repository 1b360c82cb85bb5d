"""Where the value of a setting comes from: flags, variables, a TOML file, or the default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from feed.errors import SettingError
from feed.settings.declared import Settings
from feed.settings.parse import Parse


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
