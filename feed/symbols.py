"""What a symbol looks like, and the patterns that stand for many of them."""

from __future__ import annotations

import re
from typing import Final

SYMBOL_GRAMMAR: Final = (
    "1 to 40 of A-Z a-z 0-9 . _ : / - ^ = +, starting with a letter, a digit or ^"
)
"""The grammar in words, for messages."""

_SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9._:/\-^=+]{0,39}")


def symbol_ok(text: str) -> bool:
    """Tell whether the text may be a symbol; case matters, nothing is folded or trimmed."""
    return _SYMBOL.fullmatch(text) is not None


def pattern_ok(text: str) -> bool:
    """Tell whether the text is `*`, or the beginning of a symbol followed by `*`."""
    return text == "*" or (text.endswith("*") and symbol_ok(text[:-1]))


def is_wildcard(text: str) -> bool:
    """Tell whether the text is a pattern rather than the name of one symbol."""
    return text.endswith("*")


def matches(pattern: str, symbol: str) -> bool:
    """Tell whether a symbol name, `*` or a prefix such as `BTC*` takes in the symbol."""
    if is_wildcard(pattern):
        return symbol.startswith(pattern[:-1])
    return pattern == symbol
