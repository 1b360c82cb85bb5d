"""What is owed to a cohort until the next flush, and the forms in which ticks travel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from feed.protocol.frames import text_frame, text_header

BATCH_TICKS: Final = 512
"""Most ticks in one batch message: about 80 KiB, as many clients refuse frames over 1 MiB."""

Target = int | Callable[[bytes], int]
"""Where bytes go: a non-blocking socket's descriptor, or a function that gives how many it took."""

_Member = TypeVar("_Member")


class Pending:
    """Payloads owed, in order, in the form that the takers want.

    This is how it works, in Python; `feed.hub.path` has the one that is used.

    Args:
        batched: whether several ticks travel in one message, as a JSON array.
    """

    __slots__ = ("batched", "items")

    def __init__(self, *, batched: bool) -> None:
        self.batched = batched
        self.items: list[bytes] = []

    @property
    def count(self) -> int:
        """How many payloads are owed."""
        return len(self.items)

    def buffer(self) -> bytes:
        """Give the bytes to send: whole frames."""
        return b"".join(map(batch_frame, batches(self.items)) if self.batched else self.items)

    def payloads(self) -> list[bytes]:
        """Give what is owed, in order."""
        return self.items[:] if self.batched else list(map(_payload, self.items))

    def send(self, targets: Mapping[_Member, Target]) -> tuple[int, Sequence[tuple[_Member, int]]]:
        """Hand the buffer to every target without blocking.

        Returns:
            How many bytes the sockets took (functions count for themselves), and who took less
            than all, with how much that was: -1 is a socket that failed.
        """
        buffer, total = self.buffer(), 0
        short: list[tuple[_Member, int]] = []
        for member, target in targets.items():
            taken = hand(target, buffer)
            if taken != len(buffer):
                short.append((member, taken))
            if isinstance(target, int):
                total += max(taken, 0)
        return total, short

    def clear(self) -> None:
        """Owe nothing any more."""
        self.items.clear()


def hand(target: Target, buffer: bytes) -> int:
    """Hand bytes to one target and give how many it took; -1 for a socket that failed."""
    if not isinstance(target, int):
        return target(buffer)
    try:
        return os.write(target, buffer)
    except (BlockingIOError, InterruptedError):
        return 0
    except OSError:
        return -1


def _payload(frame: bytes) -> bytes:
    """Take the payload out of a text frame."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def message_sizes(payloads: list[bytes], *, batched: bool) -> Iterator[tuple[int, list[bytes]]]:
    """Give the size on the wire of each message of a buffer, and the payloads in it."""
    for message in batches(payloads) if batched else ([own] for own in payloads):
        size = sum(map(len, message)) + (len(message) + 1 if batched else 0)
        yield len(text_header(size)) + size, message


def tick_frames(payloads: list[bytes], *, batched: bool) -> Iterator[bytes]:
    """Frame ticks in the form a session takes them."""
    if batched:
        return map(batch_frame, batches(payloads))
    return map(text_frame, payloads)


def batches(payloads: list[bytes]) -> list[list[bytes]]:
    """Cut payloads into lists that fit one batch message each."""
    return [payloads[at : at + BATCH_TICKS] for at in range(0, len(payloads), BATCH_TICKS)]


def batch_frame(payloads: list[bytes]) -> bytes:
    """Frame several ticks as one message, a JSON array."""
    body = b",".join(payloads)
    return b"".join((text_header(len(body) + 2), b"[", body, b"]"))
