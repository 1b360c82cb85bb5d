"""Ways in which a feed can be wrong: each takes what a good one sends and gives what it sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

EVERY = 100
"""Which tick of a connection is altered."""

Way = Callable[[bytes], list[bytes]]
"""Takes one message of one connection, never a batch, and gives what is sent instead."""


class HangUp(Exception):
    """The connection ends here, with a close code or, where that is 0, without a word."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def is_tick(text: bytes) -> bool:
    return text.startswith((b'{"type":"quote"', b'{"type":"trade"'))


def honest(text: bytes) -> list[bytes]:
    return [text]


class Now:
    """Does something to every so many-th tick of a connection."""

    def __init__(self, act: Callable[[bytes], list[bytes]], every: int = EVERY) -> None:
        self._act = act
        self._every = every
        self._number = 0

    def __call__(self, text: bytes) -> list[bytes]:
        if not is_tick(text):
            return [text]
        self._number += 1
        return self._act(text) if self._number % self._every == 0 else [text]


def dropping() -> Way:
    return Now(lambda text: [])


def decimating() -> Way:
    return Now(lambda text: [], every=10)


def repeating() -> Way:
    return Now(lambda text: [text, text])


def misdirecting() -> Way:
    return Now(lambda text: [text, text.replace(b'"symbol":"S', b'"symbol":"X', 1)])


def rambling() -> Way:
    return Now(lambda text: [b'{"type":7}'])


def closing(code: int) -> Way:
    def close(text: bytes) -> list[bytes]:
        raise HangUp(code)

    return Now(close)


class Reordering:
    """Holds one tick back until the next of its stream has gone out."""

    def __init__(self) -> None:
        self._held = b""
        self._number = 0

    def __call__(self, text: bytes) -> list[bytes]:
        if not is_tick(text):
            return [text]
        self._number += 1
        if not self._held and self._number % EVERY == 0:
            self._held = text
            return []
        if _stream(text) != _stream(self._held):
            return [text]
        earlier, self._held = self._held, b""
        return [text, earlier]


class Silencing:
    """Forgets a stream for good, after some ticks."""

    def __init__(self) -> None:
        self._silent = b""
        self._number = 0

    @property
    def silent(self) -> tuple[str, str] | None:
        """The type and the symbol of its ticks; None before it is chosen."""
        if not self._silent:
            return None
        tick = json.loads(self._silent + b"}")
        return tick["type"], tick["symbol"]

    def __call__(self, text: bytes) -> list[bytes]:
        if is_tick(text):
            self._number += 1
            if self._number == EVERY:
                self._silent = _stream(text)
            return [] if _stream(text) == self._silent else [text]
        return [text]


class HoldingBack:
    """Keeps a stream's ticks, in their order, until many others have gone out."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._number = 0

    def __call__(self, text: bytes) -> list[bytes]:
        if not is_tick(text):
            return [text]
        self._number += 1
        if not self._held:
            self._held = [text] if self._number % EVERY == 0 else []
            return [] if self._held else [text]
        if _stream(text) == _stream(self._held[0]):
            self._held.append(text)
            return []
        if self._number % EVERY < EVERY - 1:
            return [text]
        held, self._held = self._held, []
        return [text, *held]


class Renumbering:
    """Begins to count anew, after some ticks, and tells nobody."""

    def __init__(self) -> None:
        self._number = 0
        self._bases: dict[bytes, int] = {}

    def __call__(self, text: bytes) -> list[bytes]:
        if not is_tick(text):
            return [text]
        self._number += 1
        if self._number < EVERY:
            return [text]
        tick = json.loads(text)
        base = self._bases.setdefault(_stream(text), tick["seq"] - 1)
        return [_text({**tick, "seq": tick["seq"] - base})]


class Excusing:
    """Drops some ticks of a stream in a row, and gives a notice of them that is wrong.

    Args:
        before, after: how many seqs the notice begins and ends too late.
        reason: what it says.
        only: the type of ticks.
    """

    def __init__(
        self, before: int = 0, after: int = 0, *, reason: str = "conflated", only: str = "quote"
    ) -> None:
        self._before, self._after = before, after
        self._reason, self._only = reason, only
        self._seen: dict[bytes, int] = {}
        self._first: dict[bytes, int] = {}

    def __call__(self, text: bytes) -> list[bytes]:
        if not text.startswith(b'{"type":"' + self._only.encode()):
            return [text]
        stream = _stream(text)
        seen = self._seen[stream] = self._seen.get(stream, 0) + 1
        if seen % 8 not in (5, 6, 7):
            return [text]
        tick = json.loads(text)
        if seen % 8 != 7:
            self._first.setdefault(stream, tick["seq"])
            return []
        first, last = self._first.pop(stream) + self._before, tick["seq"] + self._after
        told = {"type": "skipped", "channel": f"{self._only}s", "symbol": tick["symbol"]}
        span = {"first_seq": first, "last_seq": last, "count": last - first + 1}
        return [_text({**told, **span, "reason": self._reason})]


class Resuming:
    """Does something to the third tick of a connection that begins with no snapshot."""

    def __init__(self, act: Callable[[bytes], list[bytes]]) -> None:
        self._act = act
        self._number = 0
        self._live = False

    def __call__(self, text: bytes) -> list[bytes]:
        if not is_tick(text):
            self._live = self._live or text.startswith(b'{"type":"snapshot"')
            return [text]
        self._number += not self._live
        return self._act(text) if not self._live and self._number == 3 else [text]


def forgetful() -> Way:
    return Resuming(lambda text: [])


def stuttering() -> Way:
    return Resuming(lambda text: [text, text])


def heartless(text: bytes) -> list[bytes]:
    return [] if text.startswith(b'{"type":"heartbeat"') else [text]


def _stream(text: bytes) -> bytes:
    return text.partition(b',"seq"')[0]


def _text(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()
