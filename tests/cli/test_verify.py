from __future__ import annotations

import argparse

import pytest

from feed.cli import verify
from tests.integration.running import run


def test_a_server_that_is_not_there_is_one_line() -> None:
    done = run("verify", "ws://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("feed: cannot connect to ws://127.0.0.1:9: connection refused")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--symbols", "A,,B"),
        ("--channels", "quote"),
        ("--seconds", "0"),
        ("--seconds", "nan"),
        ("--reconnect-every", "soon"),
        ("--delivery", "latest"),
    ],
)
def test_a_bad_argument_is_refused(arguments: tuple[str, str]) -> None:
    parser = argparse.ArgumentParser()
    verify.add(parser.add_subparsers())
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["verify", *arguments])
    assert caught.value.code == 2


def test_a_url_that_is_none_is_misuse_and_help_has_examples() -> None:
    assert run("verify", "http://127.0.0.1").returncode == 2
    assert "feed verify --reconnect-every 2" in run("verify", "--help").stdout
