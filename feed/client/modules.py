"""Several JavaScript modules as one: a notebook's front end takes a widget's code as one text.

It knows the imports and exports that feed/web uses: one line each, of names, from the same folder.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

_IMPORT: Final = re.compile(r'^import \{ ([^}]+) \} from "\./([\w.-]+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:const|let|class|function|async function) (\w+))", re.M)
_WEB: Final = files("feed") / "web"


def joined(name: str) -> str:
    """Give a module of feed/web with all that it imports put before it."""
    parts: dict[str, str] = {}
    text = _with_imports(name, parts)
    return "".join(parts.values()) + text


def _with_imports(name: str, parts: dict[str, str]) -> str:
    """Give a module whose imports are taken from `parts`, and put those there."""
    text = (_WEB / name).read_text("utf-8")
    for found in _IMPORT.finditer(text):
        other = found[2]
        if other not in parts:
            parts[other] = _wrapped(other, parts)
    return _IMPORT.sub(lambda found: f"const {{ {found[1]} }} = {_handle(found[2])};\n", text)


def _wrapped(name: str, parts: dict[str, str]) -> str:
    text = _with_imports(name, parts)
    exports, text = ", ".join(_EXPORT.findall(text)), _EXPORT.sub("", text)
    return f"const {_handle(name)} = (() => {{\n{text}return {{ {exports} }};\n}})();\n"


def _handle(name: str) -> str:
    return f"module_{re.sub(r'[^a-z0-9]', '_', name)}"


def styles(*names: str, root: str) -> str:
    """Give style sheets of feed/web whose page-wide rules hold for one element only."""
    texts = [(_WEB / name).read_text("utf-8") for name in names]
    return "".join(texts).replace(":root", root)
