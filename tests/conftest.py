"""What every test gets: a time limit, so that a hang is a failure, and logging as it was."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import settings

DEFAULT_LIMIT_S = 60.0
AGAIN_S = 1.0
"""A callback of an event loop may swallow the alarm, so it rings until somebody listens."""


settings.register_profile("feed", deadline=None)  # a busy machine is no failure
settings.load_profile("feed")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Take back what a test set up that ran a command here: the next one may look at its log."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    marker = item.get_closest_marker("timeout")
    limit_s = float(marker.args[0]) if marker else DEFAULT_LIMIT_S

    def ring(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"still running after {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
