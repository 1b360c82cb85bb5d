from __future__ import annotations

import logging

import pytest

from feed.errors import AuthenticationError, KeysError
from feed.sessions.auth import LEARNED, Authority, Trusted
from feed.sessions.entitlements import ANONYMOUS, NOBODY, Principal
from feed.sessions.keys import Keys
from feed.sessions.tokens import Tokens
from feed.symbols import SymbolSet


def test_where_nobody_is_asked_everybody_is_anonymous() -> None:
    assert Authority().newcomer is ANONYMOUS
    assert Authority("optional").newcomer is ANONYMOUS
    assert Authority("required").newcomer is NOBODY
    with pytest.raises(AuthenticationError, match="knows no tokens"):
        Authority("optional").identify("x")


def test_a_changed_entitlement_is_in_force_after_a_reload() -> None:
    keys, changed = Keys(), [False]
    token = keys.create("desk-2", {"subscribe": ["A"]}, "now")
    authority = Authority("required", load=lambda: Trusted(keys), changed=lambda: changed[0])
    principal = authority.identify(token)
    assert not authority.reload()
    assert authority.renewed(principal) == principal
    assert authority.renewed(ANONYMOUS) is ANONYMOUS
    changed[0] = True
    keys.revoke("desk-2", "later")
    assert authority.reload()
    assert authority.renewed(principal) is None


def test_bad_keys_leave_those_that_are_in_force(caplog: pytest.LogCaptureFixture) -> None:
    keys, broken = Keys(), [False]
    token = keys.create("desk-2", {}, "now")

    def load() -> Trusted:
        if broken[0]:
            raise KeysError("keys.toml", "must be TOML")
        return Trusted(keys)

    authority = Authority("required", load=load, changed=lambda: True)
    broken[0] = True
    with caplog.at_level(logging.ERROR):
        assert not authority.reload()
    assert authority.reload_failures == 1
    assert "the keys in force stay, as keys.toml must be TOML" in caplog.text
    assert authority.identify(token).name == "desk-2"


class Bearers(Tokens):
    """Tokens that say what their bearers may publish, parted by commas."""

    def __init__(self) -> None:
        super().__init__([], audience="feed")

    def identify(self, token: str) -> Principal:
        return Principal("maker", publish=SymbolSet(token.split(",")))


def test_what_the_bearer_of_a_token_may_publish_is_known_once_it_was_shown() -> None:
    authority = Authority("required", load=lambda: Trusted(None, Bearers()), changed=lambda: True)
    assert not authority.publishable("X1")
    authority.identify("X*,Y")
    assert authority.publishable("X1")
    assert authority.publishable("Y")
    assert not authority.publishable("Z")
    assert authority.reload()
    assert authority.publishable("X1")


def test_what_is_learned_of_bearers_has_a_bound() -> None:
    authority = Authority("required", load=lambda: Trusted(None, Bearers()))
    authority.identify(",".join(f"S{own}" for own in range(LEARNED)))
    assert authority.publishable("S0")
    authority.identify("X")
    assert not authority.publishable("X")
