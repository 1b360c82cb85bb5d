from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from feed.logs import set_up


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, asyncio = logging.getLogger(), logging.getLogger("asyncio")
    handlers, levels = root.handlers[:], (root.level, asyncio.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    asyncio.setLevel(levels[1])


def test_a_line_has_time_level_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info")
    logging.getLogger("feed.node").info("source %s ended", "replay")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ INFO feed.node source replay ended\n", line)


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("warning")
    logging.getLogger("feed.node").info("hidden")
    logging.getLogger("feed.node").warning("shown")
    assert capsys.readouterr().err.endswith(" WARNING feed.node shown\n")


def test_setting_up_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info")
    set_up("info")
    logging.getLogger("feed").info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_lines_go_where_standard_error_is_now(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up("info")
    progress = io.StringIO()
    monkeypatch.setattr(sys, "stderr", progress)
    logging.getLogger("feed").info("above the bar")
    assert "above the bar" in progress.getvalue()


def test_asyncio_speaks_only_of_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("debug")
    logging.getLogger("asyncio").info("using a selector")
    assert capsys.readouterr().err == ""
