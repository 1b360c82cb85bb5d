from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.stream import Stream
from feed.hub.subscriptions import EVERYTHING, Rights, Subscription, Subscriptions, Terms
from feed.symbols import SymbolSet, matches
from feed.ticks import CHANNELS

ALL, LATEST = Terms("all"), Terms("latest", 250)
SET = Subscriptions(
    {
        Subscription("quotes", "*"): Terms("adaptive"),
        Subscription("quotes", "BTC*"): LATEST,
        Subscription("quotes", "BTC-USD"): ALL,
        Subscription("trades", "A"): ALL,
    }
)


def test_the_most_specific_pattern_decides() -> None:
    assert SET.terms_of("quotes", "BTC-USD") == ALL
    assert SET.terms_of("quotes", "BTC-EUR") == LATEST
    assert SET.terms_of("quotes", "ETH") == Terms("adaptive")


def test_a_stream_that_nobody_asked_for_has_no_terms() -> None:
    assert SET.terms_of("trades", "B") is None
    assert SET.terms_of("bars", "A") is None


def test_sets_are_equal_whatever_the_order_of_asking() -> None:
    one = Subscriptions().changed({Subscription("quotes", "A"): ALL})
    two = Subscriptions().changed({Subscription("quotes", "B"): ALL})
    assert one.changed({Subscription("quotes", "B"): ALL}) == two.changed(
        {Subscription("quotes", "A"): ALL}
    )
    assert hash(one) != hash(two)


def test_changing_a_set_leaves_the_old_one_as_it_was() -> None:
    fewer = SET.changed({}, [Subscription("quotes", "*")])
    assert fewer.terms_of("quotes", "ETH") is None
    assert SET.terms_of("quotes", "ETH") is not None


def test_a_stream_that_never_ticked_is_taken_only_by_its_name() -> None:
    named, other = Stream("quotes", "BTC-USD"), Stream("quotes", "BTC-EUR")
    assert SET.terms_for(named) == ALL
    assert SET.terms_for(other) is None
    other.seq = 1
    assert SET.terms_for(other) == LATEST


def test_an_ack_lists_the_patterns_of_each_channel_in_order() -> None:
    assert SET.by_channel() == {"quotes": ["*", "BTC*", "BTC-USD"], "trades": ["A"]}
    assert SET.intervals_ms == [250]


def test_rights_narrow_what_is_delivered_and_tell_sets_apart() -> None:
    rights = Rights(SymbolSet(["BTC*"]), frozenset({"quotes"}))
    under = SET.under(rights)
    assert under.terms_of("quotes", "BTC-EUR") == LATEST
    assert under.terms_of("quotes", "ETH") is None
    assert under.by_channel() == {"quotes": ["*", "BTC*", "BTC-USD"]}
    assert under != under.under(EVERYTHING)
    assert under.changed({Subscription("quotes", "ETH*"): ALL}).rights == rights


terms = st.builds(Terms, st.just("latest"), st.integers(10, 13)) | st.just(ALL)
subscriptions = st.builds(
    Subscription,
    st.sampled_from(["quotes", "trades"]),
    st.text("AB", max_size=3).flatmap(lambda own: st.sampled_from([own + "*", own or "A"])),
)


@given(st.dictionaries(subscriptions, terms, max_size=12), st.text("AB", min_size=1, max_size=4))
def test_the_longest_pattern_that_matches_decides_and_a_name_before_all(
    held: dict[Subscription, Terms], symbol: str
) -> None:
    taking = [own for own in held if own.channel == "quotes" and matches(own.pattern, symbol)]
    best = max(taking, key=lambda own: (own.pattern == symbol, len(own.pattern)), default=None)
    assert Subscriptions(held).terms_of("quotes", symbol) == (held[best] if best else None)


@given(
    st.lists(
        st.tuples(st.dictionaries(subscriptions, terms, max_size=4), st.sets(subscriptions)),
        max_size=6,
    )
)
def test_a_set_changed_step_by_step_is_the_set_made_at_once(
    changes: list[tuple[dict[Subscription, Terms], set[Subscription]]],
) -> None:
    changed, held = Subscriptions(), dict[Subscription, Terms]()
    for add, remove in changes:
        changed = changed.changed(add, remove)
        held = {own: held[own] for own in held if own not in remove} | add
    made = Subscriptions(held)
    assert changed == made
    assert hash(changed) == hash(made)
    assert set(changed.wildcards) == set(made.wildcards)
    assert changed.intervals_ms == made.intervals_ms
    for symbol in ("A", "AB", "ABBA", "B"):
        assert changed.terms_of("quotes", symbol) == made.terms_of("quotes", symbol)


def test_a_set_of_ones_own_equals_nobody_elses_and_stays_so_as_it_changes() -> None:
    asked = {Subscription("quotes", "A"): Terms("all")}
    ours, me = Subscriptions(asked), object()
    mine = ours.private_to(me)
    assert mine != ours
    assert mine == Subscriptions(asked).private_to(me)
    assert mine != ours.private_to(object())
    assert mine.private_to(me) is mine
    assert mine.changed({}).under(Rights(SymbolSet(["A"]), frozenset(CHANNELS))).owner is me
    assert hash(mine) == hash(Subscriptions(asked, owner=me))
