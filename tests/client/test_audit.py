from __future__ import annotations

import pytest

from feed.client.audit import Audit, silent
from feed.client.commands import Positions
from feed.client.events import Disconnect, Disorder, Event, Gap, Reconnected
from feed.client.ledger import Ledger
from feed.ticks import Quote, Tick, Trade


def quote(seq: int, symbol: str = "A") -> Quote:
    return Quote(symbol, seq, 1, 1.0, 1, 1.1, 1, 2)


def audited(*ticks: Tick) -> Audit:
    audit = Audit(["A", "B*"], ["quotes"])
    Ledger(audit.hear).take(list(ticks))
    audit.take(list(ticks))
    return audit


def test_a_stream_in_order_has_no_faults() -> None:
    audit = audited(quote(1), quote(2), quote(9, "B1"), quote(10, "B1"))
    assert audit.faults == {}
    assert audit.streams == 2


@pytest.mark.parametrize(
    ("seqs", "faults", "where"),
    [
        ((1, 2, 5), {"missing": 2}, "quotes A seq 3 to 4"),
        ((1, 2, 2, 3), {"duplicate": 1}, "quotes A seq 2"),
        ((1, 3, 2, 4), {"late": 1}, "quotes A seq 2"),
    ],
)
def test_each_fault_is_counted_once_and_by_its_name(
    seqs: tuple[int, ...], faults: dict[str, int], where: str
) -> None:
    audit = audited(*map(quote, seqs))
    assert audit.faults == faults
    assert audit.examples[next(iter(faults))] == where


@pytest.mark.parametrize("tick", [quote(4, "C"), quote(4, "XB1"), Trade("A", 4, 1, 1.0, 1, 2)])
def test_a_tick_that_was_not_asked_for_is_foreign_each_time(tick: Tick) -> None:
    audit = audited(quote(1), tick)
    audit.take([tick])
    assert audit.faults == {"foreign": 2}
    assert audit.streams == 1
    assert audit.examples["foreign"].endswith(f"{tick.symbol} seq 4")


def test_what_the_server_admits_is_no_fault() -> None:
    audit = Audit(["*"], ["quotes"])
    events: list[Event] = [
        Disconnect(1006, ""),
        Reconnected(1, True),
        Gap("quotes", "A", 5, 9, told=True),
        Reconnected(1, False),
    ]
    for event in events:
        audit.hear(event)
    assert audit.faults == {}
    assert (audit.lost, audit.epochs) == (5, 1)


def test_a_star_takes_every_symbol_of_its_channels() -> None:
    audit = Audit(["*"], ["trades"])
    audit.take([Trade("X", 1, 1, 1.0, 1, 2), quote(1)])
    audit.hear(Disorder("trades", "X", 1, "duplicate"))
    assert audit.faults == {"duplicate": 1, "foreign": 1}


def test_another_wish_is_judged_by_itself_and_what_was_counted_stays() -> None:
    audit = Audit(["A"], ["quotes"])
    audit.take([quote(1, "A"), quote(1, "B")])
    audit.ask(["B*"], ["quotes"])
    audit.take([quote(2, "A"), quote(2, "B"), quote(1, "BC")])
    assert audit.foreign == 2
    assert audit.asked("quotes", "BC")
    assert not audit.asked("trades", "B")


def test_streams_that_stood_still_are_counted_and_the_first_is_shown() -> None:
    audit = audited(quote(1))
    audit.stood_still(["quotes A at seq 1, where the feed was at 3", "quotes B1 at seq 0, …"])
    assert audit.faults == {"silent": 2}
    assert audit.examples == {"silent": "quotes A at seq 1, where the feed was at 3"}


NEWEST = Positions("e", {"quotes": {"A": 3, "AB": 7, "C": 9}, "trades": {"A": 5}})


@pytest.mark.parametrize(
    ("come", "names", "found"),
    [
        ({"A": 3, "AB": 7}, ["A*", "AB"], []),
        ({"A": 4, "AB": 6}, ["A*", "AB"], ["quotes AB at seq 6, where the feed was at 7"]),
        ({}, ["A", "X"], ["quotes A at seq 0, where the feed was at 3"]),
        ({"X": 1}, ["X"], []),
    ],
)
def test_a_stream_is_silent_if_the_feed_is_further_on_with_it(
    come: dict[str, int], names: list[str], found: list[str]
) -> None:
    assert [*silent(NEWEST, Positions("e", {"quotes": come}), {"quotes": names})] == found


def test_nothing_is_said_of_a_stream_that_may_not_be_sent_any_more() -> None:
    come = Positions("e", {"quotes": {"A": 1, "AB": 1, "C": 9}})
    told = silent(NEWEST, come, {"quotes": ["*"]}, {("quotes", "A"), ("trades", "AB")})
    assert [*told] == ["quotes AB at seq 1, where the feed was at 7"]


def test_nothing_is_said_of_another_numbering() -> None:
    assert [*silent(NEWEST, Positions("f", {}), {"quotes": ["*"]})] == []
