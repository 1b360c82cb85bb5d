from __future__ import annotations

import pytest

from feed import codes
from feed.errors import MessageError
from feed.hub.subscriptions import Subscription
from feed.protocol.codec import encode
from feed.protocol.messages import Subscribed
from feed.sessions.entitlements import STRANGER, Principal
from feed.sessions.requests import (
    EXPLAINED,
    REJECTED,
    Universe,
    read_channels,
    read_subscriptions,
    told,
)
from feed.symbols import SymbolSet

CLOSED = Universe(frozenset({"A"}), lambda symbol: symbol == "SEEN")
OPEN = Universe(None, lambda symbol: False)


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        ("B", codes.UNKNOWN_SYMBOL),
        ("", codes.BAD_SYMBOL),
        ("a b", codes.BAD_SYMBOL),
        ("-A", codes.BAD_SYMBOL),
        ("A\n", codes.BAD_SYMBOL),
        ("ÄB", codes.BAD_SYMBOL),
        ("A" * 41, codes.BAD_SYMBOL),
        ("*A", codes.BAD_SYMBOL),
        ("A**", codes.BAD_SYMBOL),
    ],
)
def test_a_refused_symbol_is_rejected_alone(symbol: str, code: str) -> None:
    asked, [rejection] = read_subscriptions(["A", symbol], ("quotes",), CLOSED)
    assert asked == [Subscription("quotes", "A")]
    assert rejection.code == code
    assert len(rejection.symbol) <= 64
    assert rejection.message.isascii()


@pytest.mark.parametrize("symbol", ["A", "SEEN", "*", "BTC*", "Z*"])
def test_declared_and_published_symbols_and_patterns_are_taken(symbol: str) -> None:
    assert read_subscriptions([symbol], ("bars",), CLOSED) == ([Subscription("bars", symbol)], [])


def test_any_well_formed_symbol_is_taken_where_sources_cannot_tell_theirs() -> None:
    assert read_subscriptions(["ANY"], ("quotes",), OPEN)[1] == []


def test_a_symbol_named_twice_is_asked_for_once() -> None:
    assert len(read_subscriptions(["A", "A"], ("quotes",), CLOSED)[0]) == 1


def test_an_unknown_channel_refuses_the_command() -> None:
    with pytest.raises(MessageError, match="channels must be of quotes, trades, bars, status, was"):
        read_channels(["quotes", "news"], 1)


def test_no_channels_means_all() -> None:
    assert read_channels(None, None) == ("quotes", "trades", "bars", "status")


def test_a_stranger_cannot_tell_a_forbidden_symbol_from_one_that_does_not_exist() -> None:
    stranger = Principal(STRANGER, subscribe=SymbolSet(["SEEN"]))
    told = read_subscriptions(["A", "NOSUCH"], ("quotes",), CLOSED, stranger)[1]
    assert {own.code for own in told} == {codes.UNKNOWN_SYMBOL}
    assert {own.message.replace(own.symbol, "X") for own in told} == {"no source publishes X"}


def test_what_somebody_may_publish_may_be_subscribed_before_its_first_tick() -> None:
    open_for_x = Universe(frozenset(), lambda symbol: False, lambda symbol: symbol == "X")
    asked, rejected = read_subscriptions(["X", "Y"], ("quotes",), open_for_x)
    assert asked == [Subscription("quotes", "X")]
    assert [own.symbol for own in rejected] == ["Y"]


def test_many_rejections_are_told_in_little_room_and_their_number_is_not_hidden() -> None:
    names = [f"!{own:x}" for own in range(REJECTED + 1)]
    _, rejected = read_subscriptions(names, ("quotes",), Universe(None, lambda symbol: False))
    shown, total = told(rejected)
    assert (len(shown), total) == (REJECTED, REJECTED + 1)
    assert [own.symbol for own in shown] == names[:REJECTED]
    assert all(own.message for own in shown[:EXPLAINED])
    assert not any(own.message for own in shown[EXPLAINED:])
    held = {"quotes": [f"{own:040}" for own in range(10_000)]}
    size = len(encode(Subscribed(held, rejected=shown, rejected_total=total)))
    assert size + 65_536 - sum(map(len, names)) < 1 << 20, "also with longer names"
    assert told(rejected[:3]) == (rejected[:3], None)
