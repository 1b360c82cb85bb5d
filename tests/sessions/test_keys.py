from __future__ import annotations

import stat
from pathlib import Path

import pytest

from feed.errors import AuthenticationError, KeysError
from feed.sessions.keys import Keys, load, save
from feed.symbols import SymbolSet


def test_a_key_stands_for_its_principal_over_a_save_and_a_load(tmp_path: Path) -> None:
    path, keys = tmp_path / "keys.toml", Keys()
    entitlements = {"subscribe": ["A", "BTC*"], "channels": ["quotes"], "delay_s": 900}
    token = keys.create("desk-2", entitlements, "2026-01-01T00:00:00Z")
    save(path, keys)
    principal = load(path).identify(token)
    assert principal.name == "desk-2"
    assert principal.subscribe == SymbolSet(["A", "BTC*"])
    assert principal.channels == {"quotes"}
    assert (principal.delay_s, principal.admin) == (900, False)
    assert principal.publish == SymbolSet([])


def test_the_file_is_its_owners_and_has_no_secret(tmp_path: Path) -> None:
    path, keys = tmp_path / "keys.toml", Keys()
    secret = keys.create("desk-2", {}, "now")[-43:]  # it may have a "_" of its own
    save(path, keys)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in path.read_text()
    assert [own.name for own in tmp_path.iterdir()] == ["keys.toml"]


def test_neither_a_wrong_secret_nor_a_revoked_key_nor_another_form_is_taken() -> None:
    keys = Keys()
    token, other = keys.create("desk-2", {}, "now"), keys.create("desk-3", {}, "now")
    wrong = token[:-43] + other[-43:]
    for tried in (wrong, token[:-1], token + "A", token.upper(), "", "feed_", f" {token}"):
        with pytest.raises(AuthenticationError, match="the key is unknown or was revoked"):
            keys.identify(tried)
    [revoked] = keys.revoke("desk-2", "later")
    assert keys.find(revoked.id) is None
    with pytest.raises(AuthenticationError):
        keys.identify(token)
    assert keys.identify(other).name == "desk-3"


def test_revoking_takes_an_id_or_a_principal_and_happens_once() -> None:
    keys = Keys()
    first, _ = (keys.create("desk-2", {}, "now") for _ in range(2))
    id = first.split("_")[1]
    assert [own.id for own in keys.revoke(id, "later")] == [id]
    assert len(keys.revoke("desk-2", "later")) == 1
    assert keys.revoke("desk-2", "later") == []


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("[", "must be TOML"),
        pytest.param("x = " + "[" * 5_000, "must be TOML: it is too deep", id="deep"),
        ("x = 1", "has 'x', where a table"),
        ("[beef]", "has 'beef', where a table"),
        ("[0123456789ab]", "sha256 must be 64 hex digits"),
        (f"[0123456789ab]\nsha256='{'a' * 64}'", "a principal must be"),
        (f"[0123456789ab]\nsha256='{'a' * 64}'\nprincipal='anonymous'", "a principal must be"),
        (f"[0123456789ab]\nsha256='{'a' * 64}'\nprincipal='x'\nsubscribe='*'", "subscribe must"),
        (f"[0123456789ab]\nsha256='{'a' * 64}'\nprincipal='x'\nroot=true", "unknown entitlement"),
        (f"[0123456789ab]\nsha256='{'a' * 64}'\nprincipal='x'\nadmin=1", "admin must be true or"),
        (f"[0123456789ab]\nsha256='{'a' * 64}'\nprincipal='x'\ndelay_s=-1", "delay_s must be an"),
    ],
)
def test_a_file_that_is_not_one_of_keys_says_where(tmp_path: Path, written: str, told: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(written)
    with pytest.raises(KeysError, match=told) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot be read: No such file"):
        load(tmp_path / "none")
    with pytest.raises(KeysError, match="cannot be written"):
        save(tmp_path / "none" / "keys.toml", Keys())
