from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import pytest

import feed
from feed.cli import main as module
from feed.cli.main import main, parser
from feed.errors import ListenError, SettingError, TapeError


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | int], int]:
    """Run the command line with a command that does just this."""

    def run(outcome: BaseException | int) -> int:
        def command(_: argparse.Namespace) -> int:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        found = argparse.ArgumentParser()
        found.set_defaults(run=command)
        monkeypatch.setattr(module, "parser", lambda: found)
        return main([])

    return run


@pytest.mark.parametrize(
    ("outcome", "code", "told"),
    [
        (0, 0, ""),
        (1, 1, ""),
        (SettingError("--port", "must be less"), 2, "feed: --port must be less\n"),
        (TapeError("a.csv", "is empty"), 1, "feed: a.csv: is empty\n"),
        (ListenError("cannot listen"), 1, "feed: cannot listen\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=str,
)
def test_an_outcome_is_an_exit_code_and_at_most_one_line(
    running: Any, capsys: pytest.CaptureFixture[str], outcome: Any, code: int, told: str
) -> None:
    assert running(outcome) == code
    assert capsys.readouterr() == ("", told)


def test_an_error_that_is_ours_is_not_hidden(running: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        running(ZeroDivisionError())


@pytest.mark.parametrize("argv", [[], ["nosuch"], ["serve", "--nosuch"], ["serve", "stray"]])
def test_misuse_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    assert "usage: feed" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "tail", "simulate"])
def test_every_command_helps_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert "examples:" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"feed {feed.__version__}\n"


def test_help_names_every_command() -> None:
    text = parser().format_help()
    assert all(f"    {name} " in text for name in ("serve", "tail", "simulate"))
