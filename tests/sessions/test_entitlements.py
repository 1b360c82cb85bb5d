from __future__ import annotations

from feed.sessions.entitlements import ANONYMOUS, Principal
from feed.symbols import SymbolSet


def test_nothing_is_allowed_that_is_not_named() -> None:
    nobody = Principal("nobody")
    assert not nobody.rights.allow("quotes", "A")
    assert not nobody.may_publish("quotes", "A")
    assert not nobody.admin


def test_channels_bound_what_is_subscribed_and_published() -> None:
    desk = Principal("desk", SymbolSet(["A*"]), SymbolSet(["B"]), frozenset({"quotes"}))
    assert desk.rights.allow("quotes", "A1")
    assert not desk.rights.allow("trades", "A1")
    assert desk.may_publish("quotes", "B")
    assert not desk.may_publish("quotes", "A1")
    assert not desk.may_publish("trades", "B")


def test_everybody_may_have_every_tick_and_no_more() -> None:
    assert ANONYMOUS.rights.allow("status", "ANY")
    assert not ANONYMOUS.may_publish("quotes", "ANY")
    assert not ANONYMOUS.admin
