"""File descriptors: how many the process may have, and how many of them are for connections."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from typing import Final

RESERVE: Final = 32
"""The fewest kept from sessions: for tapes, state, and requests that do not become sessions."""

ENOUGH: Final = 1_048_576
"""The most that is asked for: some systems have no limit, and some refuse an infinite one."""

MACOS_MOST: Final = 10_240
"""What macOS allows where it calls its limit infinite (OPEN_MAX)."""


def limit() -> int:
    """Give how many descriptors the process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> int:
    """Allow the process as many descriptors as it may allow itself, and give how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    for wanted in (most, min(most, MACOS_MOST)):
        if limit() < wanted:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def for_sessions(allowed: int) -> int:
    """Give how many of the allowed descriptors sessions may have, at least one."""
    return max(1, allowed - max(RESERVE, allowed // 20))


def next_number(descriptor: int) -> int:
    """Give the number that the next descriptor gets.

    POSIX hands out the lowest that is free, so at least as many are in use.

    Raises:
        OSError: there is none left.
    """
    found = os.dup(descriptor)
    os.close(found)
    return found
