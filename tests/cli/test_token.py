"""`feed token` makes tokens that a feed with the same key takes."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from feed.cli.main import main
from feed.sessions.entitlements import Principal
from feed.sessions.tokens import Tokens, load_verifiers

pytest.importorskip("jwt", reason="needs the extra auth")


def identify(token: str, key: Path, audience: str = "feed") -> Principal:
    return Tokens(load_verifiers(key), audience=audience).identify(token)


def test_the_key_is_made_once_and_the_token_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["token", "--principal", "desk-2", "--symbols", "AAPL,BTC*", "--expires", "1h"]
    key = tmp_path / "feed-dev.key"
    for _ in range(2):
        assert main(argv) == 0
        principal = identify(capsys.readouterr().out.strip(), key)
        assert principal.name == "desk-2"
        assert list(principal.subscribe) == ["AAPL", "BTC*"]
        assert principal.expires_at is not None
        assert 3500 < principal.expires_at - time.time() <= 3600
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_audience_issuer_and_key_can_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "secret"
    argv = ["token", "--principal", "p", "--key", str(key), "--audience", "x", "--issuer", "us"]
    assert main(argv) == 0
    assert identify(capsys.readouterr().out.strip(), key, "x").name == "p"


@pytest.mark.parametrize("options", [["a b"], ["p", "--symbols", "a b"]])
def test_what_is_not_allowed_makes_no_token(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "secret"
    key.write_text("s" * 40)
    assert main(["token", "--principal", *options, "--key", str(key)]) == 1
    assert capsys.readouterr().out == ""


def test_a_key_that_is_too_short_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "secret"
    key.write_text("short")
    assert main(["token", "--principal", "p", "--key", str(key)]) == 1
    assert "an HMAC secret of 5 bytes, 32 are needed" in capsys.readouterr().err
