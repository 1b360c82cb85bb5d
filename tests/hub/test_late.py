from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from feed.hub.late import LateHub
from feed.hub.subscriptions import Subscriptions
from feed.sessions.entitlements import Principal
from feed.sessions.session import Session
from feed.symbols import ALL_SYMBOLS
from tests.fakes import FakeTransport, World, messages, quote, trade

NS = 1_000_000_000
LATE = Principal("late", ALL_SYMBOLS, delay_s=900)


class Desk:
    """A session that gets everything 900 s later than a live one."""

    def __init__(self, journal_ticks_per_stream: int = 4096) -> None:
        self.world = World(None, None, journal_ticks_per_stream)
        self.world.clock.wall_ns = 10_000 * NS
        self.live, self.live_transport = self.open(None)
        self.late, self.transport = self.open(LATE)

    def open(self, principal: Principal | None) -> tuple[Session, FakeTransport]:
        transport = FakeTransport()
        session = self.world.registry.open(
            transport, batched=False, peer="test", principal=principal
        )
        return session, transport

    def publish(self, *ticks: Any, after_s: float = 0) -> list[dict[str, Any]]:
        """Let time pass, publish, and give what the late session was told."""
        before = len(messages(self.transport))
        self.world.clock.wall_ns += round(after_s * NS)
        self.world.publish(*ticks)
        self.world.hub.flush()
        self.world.registry.tiers.catch_up()
        return messages(self.transport)[before:]

    def tell(self, **command: Any) -> list[dict[str, Any]]:
        before = len(messages(self.transport))
        self.late.receive(orjson.dumps(command))
        return messages(self.transport)[before:]


def test_the_same_ticks_come_with_the_same_seqs_and_bytes_and_900_s_later() -> None:
    desk = Desk()
    for session in (desk.live, desk.late):
        session.receive(b'{"type":"subscribe","symbols":["*"]}')
    live_before = len(messages(desk.live_transport))
    assert desk.publish(quote("A"), trade("A")) == []
    assert desk.publish(quote("A"), after_s=10) == []
    live = messages(desk.live_transport)[live_before:]
    assert desk.publish(after_s=889) == []
    assert desk.publish(after_s=1) == live[:2]
    assert desk.publish(after_s=10) == live[2:]


def test_a_snapshot_has_the_state_and_the_statistics_of_then() -> None:
    desk = Desk()
    desk.publish(quote("A", bid=1), trade("A", price=10))
    desk.publish(quote("A", bid=2), trade("A", price=30), after_s=100)
    desk.publish(after_s=850)
    _, snapshot = desk.tell(type="subscribe", symbols=["A"])
    assert snapshot["seqs"] == {"quotes": 1, "trades": 1}
    assert snapshot["quote"]["bid"] == 1
    assert (snapshot["session"]["high"], snapshot["session"]["volume"]) == (10, 100)
    assert [own["seq"] for own in desk.publish(after_s=60)] == [2, 2]


def test_a_symbol_that_did_not_exist_then_does_not_exist_now() -> None:
    desk = Desk()
    desk.publish(quote("A"))
    assert [own["type"] for own in desk.tell(type="subscribe", symbols=["*"])] == ["subscribed"]
    assert [own["symbol"] for own in desk.publish(after_s=900)] == ["A"]


def test_a_resume_ends_where_the_late_log_does() -> None:
    desk = Desk()
    desk.publish(*(quote("A") for _ in range(5)))
    desk.publish(*(quote("A") for _ in range(5)), after_s=100)
    desk.publish(after_s=850)
    resume = {"epoch": desk.world.tickerplant.epoch, "quotes": {"A": 2}}
    _, *ticks, resumed = desk.tell(
        type="subscribe", symbols=["A"], channels=["quotes"], resume=resume
    )
    assert [own["seq"] for own in ticks] == [3, 4, 5]
    assert (resumed["to_seq"], resumed["complete"]) == (5, True)


def test_what_the_journal_could_not_hold_so_long_is_told_as_skipped() -> None:
    desk = Desk(journal_ticks_per_stream=10)
    desk.tell(type="subscribe", symbols=["A"], channels=["quotes"], delivery="all")
    [skipped] = desk.publish(*(quote("A") for _ in range(25)))
    ticks = desk.publish(after_s=900)
    assert (skipped["first_seq"], skipped["last_seq"], skipped["count"]) == (1, 15, 15)
    assert skipped["reason"] == "journal"
    assert [own["seq"] for own in ticks] == list(range(16, 26))


def test_who_subscribes_after_a_skip_begins_where_it_ended() -> None:
    desk = Desk(journal_ticks_per_stream=10)
    desk.publish(*(quote("A") for _ in range(25)))
    _, snapshot = desk.tell(type="subscribe", symbols=["A"], channels=["quotes"])
    assert snapshot["seqs"] == {"quotes": 15}
    assert "quote" not in snapshot, "nobody knows what it was then"
    assert [own["seq"] for own in desk.publish(after_s=900)] == list(range(16, 26))


def test_a_snapshot_after_a_skip_is_not_one_of_before() -> None:
    desk = Desk(journal_ticks_per_stream=10)
    desk.tell(type="subscribe", symbols=["A"], channels=["quotes"])
    desk.publish(*(quote("A") for _ in range(25)))
    session, transport = desk.open(LATE)
    session.receive(b'{"type":"subscribe","symbols":["A"],"channels":["quotes"]}')
    assert messages(transport)[-1]["seqs"] == {"quotes": 15}


def test_a_seek_after_a_skip_begins_with_nothing() -> None:
    desk = Desk(journal_ticks_per_stream=10)
    desk.tell(type="subscribe", symbols=["A"], channels=["quotes"])
    desk.publish(*(quote("A") for _ in range(25)))
    before = len(messages(desk.transport))
    desk.world.restart("A")
    desk.late.delivery.drain()
    assert messages(desk.transport)[before:][-1]["seqs"] == {"quotes": 0}
    desk.publish(quote("A"))
    assert [own["seq"] for own in desk.publish(after_s=900)] == [1]


def test_a_stream_that_is_faster_than_the_journal_allows_is_skipped_as_a_whole() -> None:
    desk = Desk(journal_ticks_per_stream=899)
    desk.tell(type="subscribe", symbols=["*"], channels=["quotes"], delivery="all")
    told = [own for _ in range(3000) for own in desk.publish(quote("A"), after_s=1)]
    assert {own["type"] for own in told} == {"skipped"}
    firsts = [own["first_seq"] for own in told]
    assert firsts == [1, *(own["last_seq"] + 1 for own in told[:-1])]


def test_a_delay_that_is_new_begins_with_what_the_journal_has() -> None:
    desk = Desk()
    desk.publish(quote("A"))
    desk.publish(quote("A"), after_s=60)
    session, transport = desk.open(Principal("minute", ALL_SYMBOLS, delay_s=30))
    session.receive(b'{"type":"subscribe","symbols":["A"]}')
    assert messages(transport)[-1]["seqs"] == {"quotes": 1, "trades": 0}


def test_a_session_whose_delay_changes_comes_back() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"])
    before, desk.late.principal = desk.late.principal, Principal("late", ALL_SYMBOLS, delay_s=5)
    desk.late.reconsider(before)
    assert desk.late.subscriptions == Subscriptions()
    desk.late.go_on()
    assert messages(desk.transport)[-1]["code"] == 4000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.booleans(), st.integers(0, 500)), max_size=40))
def test_at_any_time_a_late_session_has_what_is_due_and_not_one_tick_more(
    published: list[tuple[str, bool, int]],
) -> None:
    desk = Desk()
    desk.late.receive(b'{"type":"subscribe","symbols":["*"],"delivery":"all"}')
    log: list[tuple[int, str, str]] = []
    got: list[tuple[int, str, str]] = []
    for symbol, event, after_s in published:
        tick = trade(symbol) if event else quote(symbol)
        told = desk.publish(tick, after_s=after_s)
        log.append((tick.ts_out, symbol, "trade" if event else "quote"))
        got += [(own["ts_out"], own["symbol"], own["type"]) for own in told]
        due = [own for own in log if own[0] <= desk.world.clock.wall_ns - 900 * NS]
        assert sorted(got) == sorted(due)


def test_deliveries_are_counted_with_the_live_ones() -> None:
    desk = Desk()
    desk.tell(type="subscribe", symbols=["A"])
    desk.publish(quote("A"))
    desk.publish(after_s=900)
    assert desk.world.hub.metrics.ticks_out.total() == 1
    assert desk.world.hub.metrics.ticks_in == 1
    assert isinstance(desk.late.delivery.subscriber.hub, LateHub)


def test_a_late_publisher_gets_its_own_ticks_late() -> None:
    desk = Desk()
    desk.late.principal = replace(LATE, publish=ALL_SYMBOLS)
    desk.tell(type="subscribe", symbols=["*"])
    tick = {"type": "quote", "symbol": "A", "bid": 1, "ask": 2}
    [published] = desk.tell(type="publish", ticks=[tick])
    assert published["accepted"] == 1
    assert desk.publish(after_s=899) == []
    assert [own["seq"] for own in desk.publish(after_s=1)] == [1]


def test_a_seek_of_the_live_feed_begins_a_new_numbering_here_too() -> None:
    desk = Desk()
    desk.late.receive(b'{"type":"subscribe","symbols":["A","B"],"channels":["quotes"]}')
    desk.publish(quote("A"), quote("A"), quote("B"))
    assert [own["seq"] for own in desk.publish(quote("A"), after_s=900)] == [1, 2, 1]
    before = len(messages(desk.transport))
    desk.world.restart("A")
    desk.late.delivery.drain()
    epoch, *snapshots = messages(desk.transport)[before:]
    assert epoch["type"] == "epoch"
    assert {own["symbol"]: own["seqs"]["quotes"] for own in snapshots} == {"A": 0, "B": 0}
    assert [own["symbol"] for own in desk.publish(quote("A"))] == ["B"], "its newest is old enough"
    assert [own["seq"] for own in desk.publish(quote("A"), after_s=900)] == [1]
