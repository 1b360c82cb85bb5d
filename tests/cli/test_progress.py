from __future__ import annotations

import io
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from feed.cli import progress
from feed.cli.progress import counting, tape_time, watch
from feed.metrics import Metrics
from feed.sources.pace import Position


class Terminal(io.StringIO):
    """Standard error, if it were a terminal."""

    def isatty(self) -> bool:
        return True


def node(speed: float = 10.0, total: int | None = 4) -> Any:
    position = Position(1_700_000_000_000_000_000, 6, speed)
    source = SimpleNamespace(name="replay", total=total, state="live", position=position)
    return SimpleNamespace(sources=[source], hub=SimpleNamespace(metrics=Metrics(ticks_in=1234)))


def shown(monkeypatch: pytest.MonkeyPatch, own: Any, wanted: str) -> str:
    """Watch until the terminal shows this."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "REFRESH_S", 0.01)
    with watch(own):
        for _ in range(500):
            if wanted in terminal.getvalue():
                break
            time.sleep(0.01)
    return terminal.getvalue()


def test_nothing_is_shown_where_standard_error_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    threads = threading.active_count()
    with watch(node()):
        assert threading.active_count() == threads
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_tape_time_speed_rate_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, node(), "ticks/s")
    assert "replay" in text
    assert "2023-11-14 22:13:20  x10  " in text
    assert "ticks/s  live" in text


def test_no_speed_is_as_fast_as_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, node(speed=0.0, total=None), "ticks/s")
    assert "  as fast as possible  " in text


def test_the_watching_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    shown(monkeypatch, node(), "ticks/s")
    assert "progress" not in {own.name for own in threading.enumerate()}


def test_tape_time_is_shown_to_the_second() -> None:
    assert tape_time(1_700_000_000_999_999_999) == "2023-11-14 22:13:20"
    assert tape_time(None) == "-"


def test_a_count_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with counting(4) as advance:
        advance(2)
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    for total, text in ((4, "2/4"), (None, "2/?")):
        with counting(total) as advance:
            advance(2)
        assert text in terminal.getvalue()
