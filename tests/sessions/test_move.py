from __future__ import annotations

from typing import Any

from feed.hub.index import Index
from feed.hub.steps import Pace, finish
from feed.hub.stream import Stream
from feed.hub.subscriptions import EVERYTHING, Rights, Subscription, Subscriptions, Terms
from feed.protocol.messages import Resume
from feed.sessions.move import Move
from feed.symbols import SymbolSet
from tests.fakes import quote

ADAPTIVE, LATEST = Terms("adaptive"), Terms("latest", 250)


def asking(**terms: Terms) -> Subscriptions:
    """Give subscriptions of quotes; `any` stands for `*`."""
    names = {name.replace("any", "*"): own for name, own in terms.items()}
    return Subscriptions({Subscription("quotes", name): own for name, own in names.items()})


def looked_at(stream: Stream, before: Subscriptions, after: Subscriptions, **more: Any) -> Move:
    move = Move(before, after, {*before, *after}, **more)
    move.look_at(stream)
    return move


def stream(seq: int) -> Stream:
    made = Stream("quotes", "A")
    made.seq = seq
    return made


def test_a_stream_begins_with_a_snapshot_or_where_the_client_was_cut_off() -> None:
    own = stream(7)
    assert looked_at(own, asking(), asking(A=ADAPTIVE)).snapshots == {"A": ("quotes",)}
    assert looked_at(own, asking(), asking(A=ADAPTIVE), snapshot=False).snapshots == {}
    resumed = looked_at(own, asking(), asking(A=LATEST), resume=Resume("e", quotes={"A": 5}))
    assert (resumed.snapshots, resumed.resumed, resumed.epoch) == ({}, {own: 5}, "e")
    assert resumed.positions == {own: 7}


def test_a_stream_goes_on_without_a_snapshot_under_other_terms() -> None:
    own = stream(7)
    slowed = looked_at(own, asking(any=ADAPTIVE), asking(any=ADAPTIVE, A=LATEST))
    assert (slowed.slowed, slowed.quickened, slowed.snapshots) == ({own}, set(), {})
    quickened = looked_at(own, asking(A=LATEST), asking(any=ADAPTIVE))
    assert (quickened.slowed, quickened.quickened) == (set(), {own})


def test_a_stream_that_a_wildcard_waited_for_is_not_new_when_it_is_named() -> None:
    assert looked_at(stream(0), asking(any=ADAPTIVE), asking(A=ADAPTIVE)).snapshots == {}


def test_a_stream_ends_with_the_last_that_takes_it_or_with_the_right_to_it() -> None:
    own = stream(7)
    assert looked_at(own, asking(A=ADAPTIVE), asking()).ended == {own}
    assert looked_at(own, asking(any=ADAPTIVE, A=ADAPTIVE), asking(any=ADAPTIVE)).ended == set()
    held = asking(any=ADAPTIVE)
    less = Move(held, held.under(Rights(SymbolSet(["B"]), EVERYTHING.channels)))
    less.look_at(own)
    assert less.may_end
    assert less.ended == {own}


def test_a_name_that_never_ticked_ends_though_a_wildcard_waits_for_it_until_it_ticks() -> None:
    own = stream(0)
    move = looked_at(own, asking(any=ADAPTIVE, A=ADAPTIVE), asking(any=ADAPTIVE))
    assert move.ended == {own}
    own.seq = 1
    move.look_at(own)
    assert move.ended == set()


def test_streams_that_tick_for_the_first_time_meanwhile_are_not_left_out() -> None:
    index = Index()
    for name in "AB":
        index.stream_of(quote(name)).seq = 1
    move = Move(asking(), asking(any=ADAPTIVE))
    with index.held(move.after, batched=False) as cohort:
        finish(index.fill(cohort, Pace()))
        work = move.look_at_all([cohort], Pace(1))
        next(work)
        index.stream_of(quote("C")).seq = 1
        finish(work)
    assert set(move.snapshots) == set("ABC")
