"""Writing small tapes, and reading them whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feed.tape.options import TapeOptions
from feed.tape.reader import AnyTape, open_tape
from feed.ticks import Tick

Write = Callable[[str, "str | bytes"], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file below the test's own folder."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def ticks_of(tape: AnyTape) -> list[Tick]:
    return [tick for block in tape.blocks() for tick in block.ticks(0, len(block))]


@pytest.fixture
def read() -> Callable[..., list[Tick]]:
    """Read paths to the end; keyword arguments are TapeOptions."""

    def read(*paths: Path, **options: Any) -> list[Tick]:
        return ticks_of(open_tape(paths, TapeOptions(**options)))

    return read


@pytest.fixture
def read_csv(write: Write, read: Callable[..., list[Tick]]) -> Callable[..., list[Tick]]:
    """Read a text as a CSV tape; keyword arguments are TapeOptions."""
    return lambda text, **options: read(write("tape.csv", text), **options)
