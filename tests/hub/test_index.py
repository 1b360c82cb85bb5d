from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from feed.hub.cohort import Cohort
from feed.hub.index import TIDY_STREAMS, Index
from feed.hub.pending import Target
from feed.hub.steps import Pace, Steps, finish
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

    def take_newest(self, interval: Any, streams: Any) -> None: ...


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
    if slow:  # either it will tell, or it has told
        interval = cohort.latest[stream]
        assert interval.interval_s == 0.25
        assert interval in stream.asked or stream in interval.ticked
    assert len(stream.asked) <= len(stream.latest)
    assert set(stream.takers or stream.find_takers()) == set(stream.cohorts)


def check_nothing_is_kept_in_vain(index: Index, held: list[Any]) -> None:
    asked = {tuple(own) for cohort in index.cohorts for own in cohort.subscriptions}
    named = {tuple(own) for cohort in held for own in cohort.subscriptions}
    for channel in CHANNELS:
        for symbol in SYMBOLS:
            stream = index.find(channel, symbol)
            if stream is None:
                assert (channel, symbol) not in named
            else:
                assert stream.seq or (channel, symbol) in asked
                assert (stream in index.streams()) == bool(stream.seq)


class Members:
    """Sessions that join, move and leave, some of them in steps."""

    def __init__(self) -> None:
        self.index = Index()
        self.joined: list[tuple[Member, Cohort]] = []
        self.coming: list[Steps] = []

    def joining(self, wish: Subscriptions, *, batched: bool, pace: Pace) -> Steps:
        with self.index.held(wish, batched=batched) as cohort:
            yield from self.index.fill(cohort, pace)
            self.joined.append((Member(), cohort))
            cohort.join(self.joined[-1][0], behind=False)

    def join(self, wish: Subscriptions, *, batched: bool = False) -> Cohort:
        finish(self.joining(wish, batched=batched, pace=Pace()))
        return self.joined[-1][1]

    def leave(self, which: int) -> Cohort:
        member, cohort = self.joined.pop(which % len(self.joined))
        cohort.leave(member)
        self.index.drop_if_empty(cohort)
        return cohort

    def move(self, which: int, wish: Subscriptions) -> None:
        cohort = self.joined[which % len(self.joined)][1]
        held = cohort.subscriptions
        touched = [
            own
            for own in {*held, *wish}
            if (own in held) != (own in wish) or held.terms_of(*own) != wish.terms_of(*own)
        ]
        if self.index.may_alter(cohort, wish, touched):
            self.index.alter(cohort, wish, [self.index.stream(*own) for own in touched])
        else:
            self.leave(which)
            self.join(wish, batched=cohort.batched)

    def step(self, which: int) -> None:
        if self.coming and next(self.coming[which % len(self.coming)], self) is self:
            self.coming.pop(which % len(self.coming))

    def give_up(self, which: int) -> None:
        if self.coming:
            self.coming.pop(which % len(self.coming)).close()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["join", "begin"]), wishes, st.booleans()),
            st.tuples(st.just("move"), wishes, st.integers(0, 5)),
            st.tuples(st.sampled_from(["leave", "step", "give up"]), wishes, st.integers(0, 5)),
            st.tuples(st.just("tick"), st.sampled_from(SYMBOLS), st.none()),
        ),
        max_size=40,
    )
)
def test_both_sides_of_the_index_agree(steps: list[tuple[str, Any, Any]]) -> None:
    members = Members()
    index = members.index
    for action, what, which in steps:
        match action:
            case "join":
                members.join(what, batched=which)
            case "begin":
                members.coming.append(members.joining(what, batched=which, pace=Pace(1)))
            case "step":
                members.step(which)
            case "give up":
                members.give_up(which)
            case "tick":
                index.stream_of(quote(what)).seq += 1
            case "leave" if members.joined:
                members.leave(which)
            case "move" if members.joined:
                members.move(which, what)
        held = [cohort for _, cohort in members.joined]
        check_both_sides(index, held)
        check_nothing_is_kept_in_vain(index, held)
    while members.coming:
        members.give_up(0)
    assert set(index.cohorts) == {cohort for _, cohort in members.joined}


def test_sessions_that_ask_for_the_same_share_a_cohort_unless_their_form_differs() -> None:
    members = Members()
    wish = Subscriptions({Subscription("quotes", "A"): Terms("all")})
    assert members.join(wish) is members.join(wish)
    assert members.join(wish) is not members.join(wish, batched=True)


def test_a_wildcard_takes_symbols_that_appear_later() -> None:
    members = Members()
    cohort = members.join(Subscriptions({Subscription("quotes", "B*"): Terms("all")}))
    streams = [members.index.stream_of(quote(symbol)) for symbol in SYMBOLS]
    assert set(cohort.streams) == {own for own in streams if matches("B*", own.symbol)}


def test_a_wildcard_does_not_see_a_name_that_never_ticked_whoever_asked_for_it() -> None:
    members = Members()
    name = Subscriptions({Subscription("quotes", "B"): Terms("all")})
    wildcard = Subscriptions({Subscription("quotes", "*"): Terms("all")})
    before, cohort = members.join(wildcard), members.join(name)
    after = members.join(wildcard, batched=True)
    stream = members.index.stream("quotes", "B")
    assert (list(before.streams), list(cohort.streams), list(after.streams)) == ([], [stream], [])
    assert list(members.index.streams()) == []
    assert members.index.stream_of(quote("B")) is stream
    assert list(before.streams) == list(cohort.streams) == list(after.streams) == [stream]


def test_streams_that_were_only_named_are_forgotten_with_the_last_who_named_them() -> None:
    members = Members()
    members.join(Subscriptions({Subscription("quotes", "A"): Terms("latest", 250)}))
    assert members.index.find("quotes", "A")
    members.leave(0)
    assert not members.index.find("quotes", "A")


def test_the_streams_of_a_cohort_that_was_dropped_are_let_go_some_at_a_time() -> None:
    members, calls = Members(), list[Callable[[], None]]()
    members.index = Index(soon=calls.append)
    for number in range(TIDY_STREAMS + 1):
        members.index.stream_of(quote(f"S{number}")).seq += 1
    cohort = members.join(Subscriptions({Subscription("quotes", "*"): Terms("all")}))
    members.leave(0)
    assert not list(members.index.cohorts)
    assert len(cohort.streams) == 1
    [more] = calls
    more()
    assert not cohort.streams
    assert len(calls) == 1


def test_a_cohort_is_filled_in_steps_and_dropped_when_nobody_waits_for_it() -> None:
    members = Members()
    for symbol in SYMBOLS:
        members.index.stream_of(quote(symbol)).seq += 1
    wish = Subscriptions({Subscription("quotes", "*"): Terms("all")})
    coming = members.joining(wish, batched=False, pace=Pace(2))
    next(coming)
    [cohort] = members.index.cohorts
    assert len(cohort.streams) == 2
    coming.close()
    assert not list(members.index.cohorts)
    assert not cohort.streams
