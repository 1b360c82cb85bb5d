from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.cohort import Cohort
from feed.hub.index import Index
from feed.hub.pending import Target
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.symbols import matches
from feed.ticks import CHANNELS
from tests.fakes import quote

SYMBOLS = ["A", "B", "BC", "BCD"]


class Member:
    """Somebody to keep a cohort from being empty."""

    @property
    def target(self) -> Target:
        return self.write

    def write(self, buffer: Any) -> int:
        return len(buffer)

    def fall_behind(self, segment: Any, sent: int) -> None: ...

    def offer(self, segment: Any) -> None: ...


wishes = st.dictionaries(
    st.tuples(
        st.sampled_from(["quotes", "trades"]), st.sampled_from([*SYMBOLS, "*", "B*", "BC*"])
    ).map(lambda pair: Subscription(*pair)),
    st.sampled_from([Terms("adaptive"), Terms("all"), Terms("latest", 250)]),
    max_size=6,
).map(Subscriptions)


def check_both_sides(index: Index, held: list[Any]) -> None:
    for cohort in held:
        for channel in CHANNELS:
            for symbol in SYMBOLS:
                if stream := index.find(channel, symbol):
                    check_stream(index, cohort, stream)


def check_stream(index: Index, cohort: Cohort, stream: Stream) -> None:
    """A cohort takes the streams that it names, and those that its wildcards take and that tick."""
    terms = cohort.subscriptions.terms_of(stream.channel, stream.symbol)
    if not stream.seq and (stream.channel, stream.symbol) not in cohort.subscriptions:
        terms = None
    fast = terms is not None and terms.delivery != "latest"
    slow = terms is not None and terms.delivery == "latest"
    assert (stream in cohort.streams) == (cohort in stream.cohorts) == fast
    assert (stream in cohort.latest) == (cohort in stream.latest) == slow
    assert set(stream.takers or stream.find_takers()) == set(stream.cohorts)


def check_nothing_is_kept_in_vain(index: Index, held: list[Any]) -> None:
    named = {tuple(own) for cohort in held for own in cohort.subscriptions}
    for channel in CHANNELS:
        for symbol in SYMBOLS:
            stream = index.find(channel, symbol)
            if stream is None:
                assert (channel, symbol) not in named
            else:
                assert stream.seq or (channel, symbol) in named
                assert (stream in index.streams()) == bool(stream.seq)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("join"), wishes, st.booleans()),
            st.tuples(st.just("move"), wishes, st.integers(0, 5)),
            st.tuples(st.just("leave"), st.none(), st.integers(0, 5)),
            st.tuples(st.just("tick"), st.sampled_from(SYMBOLS), st.none()),
        ),
        max_size=25,
    )
)
def test_both_sides_of_the_index_agree(steps: list[tuple[str, Any, Any]]) -> None:
    index = Index()
    members: list[tuple[Member, Any]] = []
    for action, what, which in steps:
        if action == "join":
            cohort, member = index.cohort(what, batched=which), Member()
            cohort.join(member, behind=False)
            members.append((member, cohort))
        elif action == "tick":
            index.stream_of(quote(what)).seq += 1
        elif members:
            member, old = members.pop(which % len(members))
            new = index.moved(old, what) if action == "move" else None
            old.leave(member)
            if new is not None:
                new.join(member, behind=False)
                members.append((member, new))
            if old is not new:
                index.drop_if_empty(old)
        check_both_sides(index, [cohort for _, cohort in members])
        check_nothing_is_kept_in_vain(index, [cohort for _, cohort in members])
        assert set(index.cohorts) == {cohort for _, cohort in members}


def test_sessions_that_ask_for_the_same_share_a_cohort_unless_their_form_differs() -> None:
    index = Index()
    wish = Subscriptions({Subscription("quotes", "A"): Terms("all")})
    assert index.cohort(wish, batched=False) is index.cohort(wish, batched=False)
    assert index.cohort(wish, batched=False) is not index.cohort(wish, batched=True)


def test_a_wildcard_takes_symbols_that_appear_later() -> None:
    index = Index()
    cohort = index.cohort(
        Subscriptions({Subscription("quotes", "B*"): Terms("all")}), batched=False
    )
    streams = [index.stream_of(quote(symbol)) for symbol in SYMBOLS]
    assert set(cohort.streams) == {own for own in streams if matches("B*", own.symbol)}


def test_a_wildcard_does_not_see_a_name_that_never_ticked_whoever_asked_for_it() -> None:
    index = Index()
    name = Subscriptions({Subscription("quotes", "B"): Terms("all")})
    wildcard = Subscriptions({Subscription("quotes", "*"): Terms("all")})
    before = index.cohort(wildcard, batched=False)
    cohort = index.cohort(name, batched=False)
    after = index.cohort(wildcard, batched=True)
    stream = index.stream("quotes", "B")
    assert list(stream.cohorts) == [cohort]
    assert index.matching("quotes", "*") == list(index.streams()) == []
    assert index.stream_of(quote("B")) is stream
    assert set(stream.cohorts) == {cohort, before, after}


def test_streams_that_were_only_named_are_forgotten_with_the_last_who_named_them() -> None:
    index = Index()
    wish = Subscriptions({Subscription("quotes", "A"): Terms("latest", 250)})
    cohort = index.cohort(wish, batched=False)
    assert index.find("quotes", "A")
    index.drop_if_empty(cohort)
    assert not index.find("quotes", "A")
