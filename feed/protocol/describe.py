"""Words for what a peer sent: short, printable, and never walking into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_FIELD: Final = re.compile(r"at `\$\.(\w+)|required field `(\w+)`$")


def describe(value: object) -> str:
    """Say what a peer's value is in at most 64 printable characters."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = ascii(value[:64] if isinstance(value, str) else value)
    return text if len(text) <= 64 else text[:61] + "..."


def describe_field(value: dict[str, Any], field: str) -> str:
    """Say what a field holds, looking one level into a list for the item that is wrong."""
    if field not in value:
        return "missing"
    held = value[field]
    if isinstance(held, list):
        for place, item in enumerate(held):
            if not isinstance(item, str):
                return f"a list with {describe(item)} at {place}"
    return describe(held)


def explain(value: dict[str, Any], error: str, allowed: Mapping[str, str]) -> str:
    """Say which field msgspec found wrong, what is allowed there, and what it was."""
    found = _FIELD.search(error)
    field = (found[1] or found[2]) if found else ""
    if field not in allowed:
        return error
    return f"{field} must be {allowed[field]}, was {describe_field(value, field)}"
