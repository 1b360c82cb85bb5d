"""What a symbol looks like, and the patterns that stand for many of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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


class SymbolSet:
    """Symbols by name and by pattern, unchanging; asking costs the same however many there are."""

    __slots__ = ("_names", "_prefixes")

    def __init__(self, patterns: Iterable[str]) -> None:
        given = frozenset(patterns)
        self._names = frozenset(own for own in given if not is_wildcard(own))
        self._prefixes = tuple(sorted(own[:-1] for own in given if is_wildcard(own)))

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._names or symbol.startswith(self._prefixes)

    def __iter__(self) -> Iterator[str]:
        """Give the names and patterns, sorted."""
        yield from sorted([*self._names, *(f"{own}*" for own in self._prefixes)])

    def __bool__(self) -> bool:
        return bool(self._names or self._prefixes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SymbolSet) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"SymbolSet({list(self)})"

    @property
    def _key(self) -> tuple[frozenset[str], tuple[str, ...]]:
        return self._names, self._prefixes


NO_SYMBOLS: Final = SymbolSet(())
ALL_SYMBOLS: Final = SymbolSet(("*",))
