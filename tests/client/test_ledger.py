from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.client.events import Disorder, Gap
from feed.client.ledger import HOLES_KEPT, Ledger
from feed.protocol.messages import Resumed, Skipped, Snapshot
from feed.ticks import Quote, Tick, Trade


def quote(seq: int, symbol: str = "A") -> Quote:
    return Quote(symbol, seq, 1, 1.0, 1, 1.1, 1, 2)


def trade(seq: int, symbol: str = "A") -> Trade:
    return Trade(symbol, seq, 1, 1.0, 1, 2)


def skipped(first: int, last: int, symbol: str = "A") -> Skipped:
    return Skipped("quotes", symbol, first, last, last - first + 1, "conflated")


def snapshot(seq: int, symbol: str = "A") -> Snapshot:
    return Snapshot(symbol, {"quotes": seq}, quote=quote(seq, symbol))


def resumed(first: int, last: int, symbol: str = "A", *, complete: bool = True) -> Resumed:
    return Resumed("quotes", symbol, first, last, complete)


class Book:
    """A ledger in its first epoch, and what it told."""

    def __init__(self) -> None:
        self.told: list[Gap | Disorder] = []
        self.ledger = Ledger(self.told.append)
        self.ledger.welcome("e1")


@pytest.fixture
def book() -> Book:
    return Book()


def test_ticks_in_sequence_are_no_news(book: Book) -> None:
    book.ledger.take([quote(5), trade(1), quote(6), quote(1, "B"), trade(2), quote(2, "B")])
    assert book.told == []
    assert book.ledger.positions() == {"quotes": {"A": 6, "B": 2}, "trades": {"A": 2}}


def test_a_missing_seq_inside_a_batch_is_a_gap(book: Book) -> None:
    book.ledger.take([quote(1), quote(2), quote(6), quote(7)])
    assert book.told == [Gap("quotes", "A", 3, 5)]
    assert book.told[0].count == 3  # type: ignore[union-attr]


def test_a_skipped_notice_covers_its_range(book: Book) -> None:
    book.ledger.take([quote(1)])
    book.ledger.skipped(skipped(2, 5))
    book.ledger.take([quote(6)])
    assert book.told == []


def test_what_a_notice_leaves_out_is_a_gap(book: Book) -> None:
    book.ledger.take([quote(1)])
    book.ledger.skipped(skipped(3, 5))
    book.ledger.take([quote(7)])
    assert book.told == [Gap("quotes", "A", 2, 2), Gap("quotes", "A", 6, 6)]


def test_a_notice_about_what_was_received_is_a_disorder(book: Book) -> None:
    book.ledger.take([quote(1), quote(2)])
    book.ledger.skipped(skipped(2, 3))
    assert book.told == [Disorder("quotes", "A", 2, "duplicate")]
    assert book.ledger.positions()["quotes"]["A"] == 3


def test_a_notice_about_the_past_does_not_take_the_stream_back(book: Book) -> None:
    book.ledger.take([quote(1), quote(2), quote(3)])
    book.ledger.skipped(skipped(1, 2))
    assert book.ledger.positions()["quotes"]["A"] == 3


def test_a_seq_that_comes_twice_is_a_duplicate_and_does_not_move_the_stream(book: Book) -> None:
    book.ledger.take([quote(1), quote(2), quote(1), quote(3)])
    assert book.told == [Disorder("quotes", "A", 1, "duplicate")]


def test_a_seq_that_comes_after_its_gap_is_late_and_only_once(book: Book) -> None:
    book.ledger.take([quote(1), quote(4), quote(2), quote(2)])
    assert book.told == [
        Gap("quotes", "A", 2, 3),
        Disorder("quotes", "A", 2, "late"),
        Disorder("quotes", "A", 2, "duplicate"),
    ]


def test_the_holes_remembered_are_bounded(book: Book) -> None:
    book.ledger.take([quote(seq) for seq in range(1, 4 * HOLES_KEPT, 2)])
    book.ledger.take([quote(2)])
    assert book.told[-1] == Disorder("quotes", "A", 2, "duplicate")


def test_the_live_tick_after_a_snapshot_has_the_next_seq(book: Book) -> None:
    book.ledger.snapshot(snapshot(41))
    book.ledger.take([quote(42)])
    assert book.told == []


def test_a_snapshot_after_a_reconnect_gives_the_range_missed(book: Book) -> None:
    book.ledger.take([quote(10)])
    assert book.ledger.welcome("e1")
    book.ledger.snapshot(snapshot(25))
    book.ledger.take([quote(26)])
    assert book.told == [Gap("quotes", "A", 11, 25)]


def test_a_resume_that_brought_everything_is_no_news(book: Book) -> None:
    book.ledger.take([quote(10)])
    book.ledger.welcome("e1")
    book.ledger.take([quote(11), quote(12)])
    book.ledger.resumed(resumed(11, 12))
    book.ledger.take([quote(13)])
    assert book.told == []


def test_a_resume_that_says_it_is_complete_and_is_not_is_a_gap(book: Book) -> None:
    book.ledger.take([quote(10)])
    book.ledger.take([quote(11)])
    book.ledger.resumed(resumed(11, 14))
    book.ledger.take([quote(15)])
    assert book.told == [Gap("quotes", "A", 12, 14)]


def test_what_a_resume_admits_as_lost_is_told_as_a_gap_the_server_owned_up_to(book: Book) -> None:
    book.ledger.take([quote(10), quote(11)])
    book.ledger.resumed(resumed(12, 25, complete=False))
    book.ledger.snapshot(snapshot(25))
    book.ledger.take([quote(26)])
    assert book.told == [Gap("quotes", "A", 12, 25, told=True)]
    book.ledger.take([quote(20)])
    assert book.told[1:] == [Disorder("quotes", "A", 20, "duplicate")]


def test_what_a_resume_neither_brought_nor_admits_is_a_gap_of_its_own(book: Book) -> None:
    book.ledger.take([quote(10)])
    book.ledger.resumed(resumed(15, 25, complete=False))
    assert book.told == [Gap("quotes", "A", 11, 14), Gap("quotes", "A", 15, 25, told=True)]


@pytest.mark.parametrize("complete", [True, False])
def test_a_resume_of_what_is_not_followed_or_not_missing_changes_nothing(
    book: Book, complete: bool
) -> None:
    book.ledger.take([quote(10)])
    for own in (resumed(3, 9, complete=complete), resumed(1, 5, "B", complete=complete)):
        book.ledger.resumed(own)
    book.ledger.resumed(Resumed("depth", "A", 1, 50, complete))
    assert book.told == []
    assert book.ledger.positions() == {"quotes": {"A": 10}}


def test_without_a_snapshot_the_first_tick_after_a_reconnect_gives_the_range(book: Book) -> None:
    book.ledger.take([quote(10)])
    book.ledger.welcome("e1")
    book.ledger.take([quote(26)])
    assert book.told == [Gap("quotes", "A", 11, 25)]


def test_another_epoch_restarts_the_numbering(book: Book) -> None:
    book.ledger.take([quote(10)])
    assert not book.ledger.welcome("e2")
    book.ledger.take([quote(3)])
    assert book.told == []


def test_a_stream_that_was_unsubscribed_begins_anew(book: Book) -> None:
    book.ledger.take([quote(1), quote(1, "B1"), trade(1)])
    book.ledger.keep({"quotes": ["B*"], "trades": ["A"]})
    assert book.ledger.positions() == {"quotes": {"B1": 1}, "trades": {"A": 1}}
    book.ledger.take([quote(9), quote(2, "B1")])
    assert book.told == []


def test_a_stream_that_was_taken_away_and_is_given_back_has_lost_nothing(book: Book) -> None:
    book.ledger.take([quote(5), quote(5, "B")])
    book.ledger.doubt({"quotes": ["*"]}, {"A"})
    assert book.ledger.doubtful == {("quotes", "A")}
    book.ledger.snapshot(snapshot(50))
    book.ledger.take([quote(51)])
    assert book.ledger.doubtful == set()
    assert book.told == []
    book.ledger.snapshot(snapshot(50, "B"))
    assert book.told == [Gap("quotes", "B", 6, 50)]


def test_a_stream_that_goes_on_after_a_doubt_is_accounted_for_as_before(book: Book) -> None:
    book.ledger.take([quote(5), trade(1)])
    book.ledger.doubt({"quotes": ["*"], "trades": ["*"]}, {"A"})
    assert book.ledger.positions() == {"quotes": {"A": 5}, "trades": {"A": 1}}
    book.ledger.take([quote(6), trade(3)])
    assert book.ledger.doubtful == set()
    book.ledger.snapshot(snapshot(9))
    assert book.told == [Gap("trades", "A", 2, 2), Gap("quotes", "A", 7, 9)]


def test_a_doubt_ends_with_the_word_that_a_stream_is_resumed(book: Book) -> None:
    book.ledger.take([quote(5)])
    book.ledger.doubt({"quotes": ["*"]}, {"A"})
    book.ledger.resumed(resumed(6, 5))
    assert book.ledger.doubtful == set()
    book.ledger.snapshot(snapshot(8))
    assert book.told == [Gap("quotes", "A", 6, 8)]


def test_a_stream_that_is_given_back_does_not_go_back(book: Book) -> None:
    book.ledger.take([quote(5)])
    book.ledger.doubt({"quotes": ["*"]}, {"A"})
    book.ledger.snapshot(snapshot(3))
    assert book.told == [Disorder("quotes", "A", 4, "duplicate")]
    assert book.ledger.positions() == {"quotes": {"A": 5}}


def test_where_not_all_that_was_lost_is_told_all_but_names_is_in_doubt(book: Book) -> None:
    book.ledger.take([quote(5), quote(5, "B"), trade(5, "B")])
    book.ledger.doubt({"quotes": ["*", "B"], "trades": ["*"]}, None)
    assert book.ledger.doubtful == {("quotes", "A"), ("trades", "B")}
    book.ledger.keep({"quotes": ["*"]})
    assert book.ledger.doubtful == {("quotes", "A")}
    book.ledger.welcome("e2")
    assert book.ledger.doubtful == set()


@pytest.mark.parametrize(
    "advance",
    [
        lambda own: own.skipped(skipped(2, 4)),
        lambda own: own.take([quote(4)]),
        lambda own: own.resumed(resumed(2, 4)),
    ],
)
def test_the_last_value_outlives_a_notice(book: Book, advance: Callable[[Ledger], Any]) -> None:
    book.ledger.take([quote(1)])
    advance(book.ledger)
    last = book.ledger.last("quotes", "A")
    assert last is not None
    assert last.seq in (1, 4)
    assert book.ledger.positions()["quotes"]["A"] == 4


def test_a_snapshot_is_the_last_value_until_a_tick_comes(book: Book) -> None:
    book.ledger.snapshot(snapshot(7))
    assert book.ledger.last("quotes", "A") == quote(7)
    assert book.ledger.last("trades", "A") is None


FATES = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]), st.sampled_from(["received", "skipped", "lost", "snapshot"])
    ),
    max_size=60,
)


@given(FATES)
def test_what_is_told_as_gaps_is_exactly_what_was_lost(fates: list[tuple[str, str]]) -> None:
    book = Book()
    book.ledger.take([quote(0, "A"), quote(0, "B")])
    seqs, lost = {"A": 0, "B": 0}, set()
    pending: dict[str, set[tuple[str, int]]] = {"A": set(), "B": set()}
    for symbol, fate in fates:
        seqs[symbol] += 1
        seq = seqs[symbol]
        if fate == "lost":
            pending[symbol].add((symbol, seq))
            continue
        if fate == "snapshot":
            pending[symbol].add((symbol, seq))  # its seq was published, and never came as a tick
            book.ledger.snapshot(snapshot(seq, symbol))
        elif fate == "skipped":
            book.ledger.skipped(skipped(seq, seq, symbol))
        else:
            ticks: list[Tick] = [quote(seq, symbol)]
            book.ledger.take(ticks)
        lost |= pending[symbol]
        pending[symbol] = set()
    gaps = [gap for gap in book.told if isinstance(gap, Gap)]
    told = [(gap.symbol, seq) for gap in gaps for seq in range(gap.first_seq, gap.last_seq + 1)]
    assert len(gaps) == len(book.told)
    assert sorted(told) == sorted(lost)
