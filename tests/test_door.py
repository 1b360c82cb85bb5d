from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from feed.door import authority_of, is_loopback, limits_of, tell_delays
from feed.errors import SettingError
from feed.sessions.entitlements import NOBODY
from feed.sessions.keys import Keys, save
from feed.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_a_loopback_address_is_known(host: str) -> None:
    assert is_loopback(host)
    authority_of(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example"])
def test_nothing_else_is_served_without_authentication_unless_told_so(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingError, match=r"--authentication required .* or --insecure"):
        authority_of(Settings(host=host))
    authority_of(Settings(host=host, insecure=True))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"authentication": "required"}, "--authentication is required, so --api-keys"),
        ({"api_keys": "keys.toml"}, "--authentication is none, so nobody is asked"),
        ({"authentication": "optional", "api_keys": "/no/keys"}, "--api-keys /no/keys cannot be"),
        ({"authentication": "optional", "jwt_key": "/no/key"}, "--jwt-key /no/key cannot be"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        authority_of(Settings(**settings))


def test_keys_of_either_kind_are_known_and_read_again_when_they_change(tmp_path: Path) -> None:
    path, secret = tmp_path / "keys.toml", tmp_path / "secret"
    keys = Keys()
    token = keys.create("desk-2", {"subscribe": ["A"], "publish": ["B"]}, "now")
    save(path, keys)
    secret.write_text("s" * 40)
    known = {"api_keys": str(path), "jwt_key": str(secret)}
    authority = authority_of(Settings(authentication="required", **known))  # type: ignore[arg-type]
    principal = authority.identify(token)
    assert authority.newcomer is NOBODY
    assert authority.publishable("B")
    assert not authority.publishable("A")
    keys.revoke("desk-2", "later")
    save(path, keys)
    assert not authority.reload()
    assert authority.reload()
    assert authority.renewed(principal) is None


def test_the_settings_say_what_everybody_may_do() -> None:
    settings = Settings(anonymous_subscribe=("A",), anonymous_publish=("B*",), anonymous_admin=True)
    everybody = authority_of(settings).anonymous
    assert everybody.rights.allow("quotes", "A")
    assert not everybody.rights.allow("quotes", "B")
    assert everybody.may_publish("quotes", "B1")
    assert everybody.admin


def test_there_are_no_more_sessions_than_descriptors() -> None:
    assert limits_of(Settings(connection_limit=3)).sessions == 3
    assert limits_of(Settings()).sessions > 3


def test_what_the_journal_must_hold_for_a_delay_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings(anonymous_delay_s=100, journal_ticks_per_stream=200)
    with caplog.at_level("INFO"):
        assert tell_delays(authority_of(settings), settings) == {100}
    assert "delayed by 100 s is served from the journal" in caplog.text
    assert "suffices up to 2 ticks/s of one stream" in caplog.text
    assert "of a stream that goes on faster nobody delayed gets any tick" in caplog.text
