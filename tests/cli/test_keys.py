"""`feed keys` makes keys that a feed takes, shows each once, and ends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from feed.cli.main import main
from feed.errors import AuthenticationError
from feed.sessions.keys import load


def test_a_key_is_made_listed_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.toml"
    file = ("--file", str(path))
    assert main(["keys", "create", "desk-2", "--symbols", "AAPL,BTC*", "--admin", *file]) == 0
    key = capsys.readouterr().out.strip()
    assert load(path).identify(key).admin
    assert main(["keys", "list", *file]) == 0
    listed = capsys.readouterr().out
    assert "desk-2  created " in listed
    assert listed.endswith("subscribe=AAPL,BTC* admin=true\n")
    assert key[-43:] not in listed
    assert main(["keys", "revoke", "desk-2", *file]) == 0
    with pytest.raises(AuthenticationError):
        load(path).identify(key)
    assert main(["keys", "revoke", "desk-2", *file]) == 1
    assert "has no key of 'desk-2' to revoke" in capsys.readouterr().err


def test_the_file_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEED_API_KEYS", str(tmp_path / "own.toml"))
    assert main(["keys", "create", "desk-2"]) == 0
    assert (tmp_path / "own.toml").exists()


@pytest.mark.parametrize("options", [["a b"], ["desk", "--symbols", "A B"], ["anonymous"]])
def test_what_is_not_allowed_makes_no_file(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "keys.toml"
    assert main(["keys", "create", *options, "--file", str(path)]) == 1
    assert "must be" in capsys.readouterr().err
    assert not path.exists()
