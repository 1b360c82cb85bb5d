from __future__ import annotations

import asyncio
import io
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from feed.logs import ACCESS, Failures, set_up, tell_failure


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "asyncio", ACCESS)]
    handlers, levels = loggers[0].handlers[:], [own.level for own in loggers]
    yield
    loggers[0].handlers[:] = handlers
    for own, level in zip(loggers, levels, strict=True):
        own.setLevel(level)


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


def line_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = capsys.readouterr().err.splitlines()
    found: dict[str, Any] = orjson.loads(line)
    return found


def test_a_line_for_programs_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info", "json")
    logging.getLogger("feed.node").info("source %s ended after %d", "replay", 7, extra={"code": 3})
    line = line_of(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "info",
        "logger": "feed.node",
        "event": "source %s ended after %d",
        "message": "source replay ended after 7",
        "values": ["replay", 7],
        "code": 3,
    }


def test_an_object_holds_what_json_has_no_word_for(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info", "json")
    logging.getLogger("feed").info("at %s", Path("/tmp/x\ny"), extra={"limit": float("nan")})
    line = line_of(capsys)
    assert (line["message"], line["values"], line["limit"]) == ("at /tmp/x\ny", ["/tmp/x\ny"], None)


def test_an_object_holds_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("info", "json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("feed").exception("failed")
    assert line_of(capsys)["exception"].endswith("ValueError: broken")


@pytest.mark.parametrize(("access", "lines"), [(True, 1), (False, 0)])
def test_requests_are_lines_where_that_is_wanted(
    access: bool, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up("info", access=access)
    logging.getLogger(ACCESS).info("200 GET /")
    assert len(capsys.readouterr().err.splitlines()) == lines


def failed(number: int) -> Exception:
    try:
        raise KeyError(number) if number % 2 else ValueError(number)
    except Exception as error:
        return error


def test_a_failure_that_comes_again_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures(logging.getLogger("feed"), "beats")
    for number in range(10):
        failures.tell(failed(number))
    assert caplog.messages == [
        "beats failed, and go on: ValueError: 0",
        "beats failed, and go on: KeyError: 1",
    ]
    assert all(own.exc_info for own in caplog.records)


def test_what_fails_in_a_block_is_told_and_ends_only_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = Failures(logging.getLogger("feed"), "beats")
    for number in range(3):
        with failures.told():
            raise ValueError(number)
    with pytest.raises(KeyboardInterrupt), failures.told():
        raise KeyboardInterrupt
    assert caplog.messages == ["beats failed, and go on: ValueError: 0"]


def test_a_task_that_nobody_waits_for_tells_what_ended_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ValueError("no more")

    async def main() -> None:
        works = fail(), asyncio.sleep(0), asyncio.sleep(60)
        tasks = [asyncio.create_task(work, name=f"task {n}") for n, work in enumerate(works)]
        for task in tasks:
            task.add_done_callback(tell_failure)
        tasks[2].cancel()
        await asyncio.wait(tasks)

    asyncio.run(main())
    assert caplog.messages == ["task 0 ended: ValueError: no more"]
