"""How far the server's clock is from ours, as far as pings can prove it."""

from __future__ import annotations

from collections import deque
from typing import Final

SAMPLES: Final = 64
"""The newest ones count: quartz clocks drift by milliseconds in a minute."""


class ClockOffset:
    """The server's clock minus ours, bounded by what each ping proves.

    The server read a ping between its sending and the arrival of its pong, so each pong bounds the
    offset from both sides, however slow and lopsided the way was. Only an offset that is proven not
    to be 0 is corrected: a server that answers late must not look like a clock that is late.
    """

    def __init__(self) -> None:
        self._bounds: deque[tuple[int, int]] = deque(maxlen=SAMPLES)
        self.low_ns = self.high_ns = 0

    @property
    def known(self) -> bool:
        """Whether any pong has come."""
        return bool(self._bounds)

    @property
    def correction_ns(self) -> int:
        """What to add to our clock before comparing it with the server's; mostly 0."""
        if self.low_ns <= 0 <= self.high_ns:
            return 0
        return (self.low_ns + self.high_ns) // 2

    def pong(self, sent_ns: int, server_ns: int, received_ns: int) -> None:
        """Take a pong in."""
        if received_ns < sent_ns:  # our own clock stepped back
            return
        self._bounds.append((server_ns - received_ns, server_ns - sent_ns))
        self.low_ns = max(low for low, _ in self._bounds)
        self.high_ns = min(high for _, high in self._bounds)
        if self.low_ns > self.high_ns:  # a clock was set: the past proves nothing any more
            self._bounds = deque([self._bounds[-1]], maxlen=SAMPLES)
            self.low_ns, self.high_ns = self._bounds[-1]

    def __str__(self) -> str:
        if not self.known:
            return "not known: no pong came"
        low_ms, high_ms = self.low_ns / 1e6, self.high_ns / 1e6
        within = f"between {low_ms:+.3f} and {high_ms:+.3f} ms"
        if self.correction_ns == 0:
            return f"none proven: it lies {within}"
        return f"{within}, corrected by {self.correction_ns / 1e6:+.3f} ms"
