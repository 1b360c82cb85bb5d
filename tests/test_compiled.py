"""What may be compiled is, where it must be, and is not where nobody wants it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest

each = pytest.mark.parametrize(
    "module", ["feed.alarm", "feed.sources.schedule", "feed.hub.path", "feed.sources.scan"]
)


@each
@pytest.mark.skipif(
    not os.environ.get("CI") or bool(os.environ.get("FEED_PURE_PYTHON")),
    reason="where there may be no compiler",
)
def test_continuous_integration_tests_what_was_compiled(module: str) -> None:
    assert import_module(module).IN_C


@each
def test_python_alone_can_be_asked_for(module: str) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", f"import {module} as own; print(own.IN_C)"],
        env={**os.environ, "FEED_PURE_PYTHON": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout == "False\n"
