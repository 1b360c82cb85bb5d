from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from feed.client.commands import Positions
from feed.protocol.codec import encode
from feed.protocol.messages import (
    Authenticated,
    Command,
    Delivery,
    ErrorMessage,
    Heartbeat,
    Pong,
    Rejection,
    Resumed,
    Skipped,
    SkipReason,
    Snapshot,
    Subscribe,
    Subscribed,
    Welcome,
)
from feed.ticks import Quote, Tick, Trade
from locustfiles.account import Account
from locustfiles.clock_offset import ClockOffset
from locustfiles.contract import HELD_BACK_NS, Order
from locustfiles.options import Options
from locustfiles.tally import RESUMED_AGE, TICK_LATENCY, Tally
from tests.locustfiles.wrongs import Excusing, Renumbering, Way


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now_ns(self) -> int:
        return int(self.at_s * 1e9)

    def monotonic_s(self) -> float:
        return self.at_s


class User:
    """An account, and what it was told."""

    def __init__(self, *expected: str, channels: Sequence[str] = ("quotes",)) -> None:
        self.tally, self.clock, self.done = Tally(), Clock(), list[tuple[str, float]]()
        self.own = Account(
            self.tally,
            Options(channels=[*channels], delayed_ms=500.0),
            ClockOffset(),
            self.clock,
            figure=TICK_LATENCY,
            expected=frozenset(expected),
            done=lambda name, seconds: self.done.append((name, seconds)),
        )

    def greet(self) -> list[Command]:
        self.own.opened()
        self.hear(Welcome(1, "s", "e", 1.0, "none"))
        return self.own.returning(None)

    def hear(self, *messages: object) -> None:
        self.take(*map(encode, messages))

    def take(self, *texts: str | bytes) -> None:
        self.own.take([*texts], self.clock.now_ns())

    def subscribe(self, *symbols: str) -> list[str] | None:
        changes = self.own.subscribe(list(symbols), symbols)
        (change,) = changes
        self.hear(Subscribed({"quotes": list(symbols)}, id=change.id))
        return self.own.settle(changes)


def quote(seq: int, symbol: str = "A", ts_out: int = 0) -> Quote:
    return Quote(symbol, seq, 1, 1.0, 1, 1.5, 1, ts_out)


def skipped(
    first: int, last: int, *, count: int | None = None, reason: SkipReason = "conflated"
) -> Skipped:
    counted = last - first + 1 if count is None else count
    return Skipped("quotes", "A", first, last, counted, reason)


@pytest.fixture
def user() -> User:
    found = User()
    found.greet()
    found.subscribe("A")
    return found


def test_ticks_are_counted_by_their_age(user: User) -> None:
    user.clock.at_s = 0.25
    user.hear(quote(1), quote(2))
    assert user.tally.ticks == 2
    assert user.tally.histogram(TICK_LATENCY).percentile_ms(0.5) == pytest.approx(250, rel=0.02)
    assert not user.tally.faults


@pytest.mark.parametrize(
    ("messages", "faults"),
    [
        ((quote(1), quote(3)), {"gap": 1}),
        ((quote(1), Skipped("quotes", "A", 2, 2, 1, "conflated"), quote(3)), {}),
        ((quote(1), quote(1)), {"duplicate": 1}),
        ((quote(1), quote(3), quote(2)), {"gap": 0, "reordered": 1}),
        ((quote(1, "B"), quote(5, "B")), {"foreign": 2}),
        ((Trade("A", 1, 1, 1.0, 1, 0),), {"foreign": 1}),
        ((quote(1, ts_out=-600_000_000),), {"delayed": 1}),
        ((ErrorMessage("bad_message", "what"),), {"refused": 1}),
        ((quote(5), quote(1, ts_out=-1)), {"duplicate": 1}),
        ((quote(1), quote(2), quote(1, ts_out=1), quote(2, ts_out=1)), {"renumbered": 2}),
        ((skipped(1, 3), quote(2, ts_out=1), quote(3, ts_out=1), quote(4)), {"duplicate": 2}),
        ((skipped(1, 3), skipped(3, 4), quote(5)), {"duplicate": 1}),
        ((skipped(1, 3, count=2),), {"withheld": 1}),
        ((skipped(1, 3, reason="own"),), {"withheld": 1}),
        ((Resumed("quotes", "A", 1, 3, complete=False),), {}),
        ((quote(1), Resumed("quotes", "A", 2, 3, complete=False)), {"lost": 2}),
    ],
)
def test_each_fault_has_its_name(
    user: User, messages: tuple[object, ...], faults: dict[str, int]
) -> None:
    user.hear(*messages)
    assert user.tally.faults == faults


@pytest.mark.parametrize(
    ("way", "faults"),
    [
        (Excusing(), set()),
        (Excusing(before=1), {"gap"}),
        (Excusing(after=-1), {"gap"}),
        (Excusing(after=1), {"duplicate"}),
        (Excusing(before=-1), {"duplicate"}),
        (Excusing(reason="own"), {"withheld"}),
        (Renumbering(), {"renumbered"}),
    ],
)
def test_each_wrong_excuse_and_number_has_its_name(user: User, way: Way, faults: set[str]) -> None:
    for seq in range(1, 201):
        user.take(*way(encode(quote(seq, ts_out=seq))))
    assert user.tally.faults.keys() == faults


def test_trades_are_not_withheld_from_whom_they_were_promised() -> None:
    user = User(channels=["trades"])
    user.greet()
    user.subscribe("A")
    user.hear(Skipped("trades", "A", 1, 1, 1, "conflated"))
    assert user.tally.faults == {"withheld": 1}
    assert user.tally.examples["withheld"] == "trades A seq 1 to 1, conflated in spite of adaptive"


def test_what_was_published_before_a_resume_was_over_is_not_held_back() -> None:
    order = Order("adaptive")
    order.mix(until_ns=5)
    waited: list[Tick] = [quote(2, ts_out=2), quote(3, ts_out=4)]
    assert order.held_back([quote(1, ts_out=HELD_BACK_NS * 3)]) == []
    assert order.held_back(waited[:1]) == []
    assert order.held_back([quote(4, ts_out=HELD_BACK_NS * 3)]) == []
    assert order.held_back(waited[1:]) == [], "however many reads it takes"
    assert [own.seq for own in order.held_back([quote(5, ts_out=5)])] == [5]


@pytest.mark.parametrize(("delivery", "held"), [("adaptive", 1), ("all", 1), ("latest", 0)])
def test_ticks_come_in_the_order_in_which_they_were_published(
    delivery: Delivery, held: int
) -> None:
    order = Order(delivery)
    assert order.held_back([quote(1, ts_out=HELD_BACK_NS + 2)]) == []
    assert order.held_back([quote(2, ts_out=2)]) == []
    assert len(order.held_back([quote(3, ts_out=10**12), quote(4, ts_out=1)])) == held
    order.off()
    assert order.held_back([quote(5, ts_out=0)]) == []


def test_a_tick_that_is_held_back_is_delayed_but_not_to_whom_some_were_skipped(user: User) -> None:
    user.hear(quote(1, ts_out=10**9))
    user.clock.at_s = 1.0
    user.hear(quote(2, ts_out=9 * 10**8))
    assert user.tally.faults == {"delayed": 1}
    assert user.tally.examples["delayed"] == "A, 100.0 ms older than what came before it"
    user.hear(skipped(3, 3), quote(4, ts_out=8 * 10**8))
    assert user.tally.faults == {"delayed": 1}


def test_streams_that_stood_still_are_named_once_all_is_answered(user: User) -> None:
    newest = Positions("e", {"quotes": {"A": 3, "B": 7}})
    user.hear(quote(1))
    assert user.own.silent(newest) is None  # the snapshot has not come
    user.hear(Snapshot("A", {"quotes": 1}))
    assert user.own.silent(newest) == ["quotes A at seq 1, where the feed was at 3"]
    user.hear(quote(2), quote(3), quote(4))
    assert user.own.silent(newest) == []
    assert user.own.silent(newest._replace(epoch="f", seqs={"quotes": {"A": 99}})) == []


def test_a_stream_that_may_have_been_taken_away_does_not_stand_still(user: User) -> None:
    user.hear(quote(1), Snapshot("A", {"quotes": 1}))
    lost = Rejection("A", "not_entitled", "no")
    user.hear(Subscribed({"quotes": ["*"]}, rejected=[lost]))
    assert user.own.silent(Positions("e", {"quotes": {"A": 3}})) == []


def test_what_a_user_provokes_is_no_fault() -> None:
    user = User("delayed", "lost")
    user.greet()
    user.subscribe("A")
    user.hear(quote(1, ts_out=-(10**12)), Resumed("quotes", "A", 2, 3, complete=False))
    assert not user.tally.faults


def test_snapshots_are_complete_with_the_last_one() -> None:
    user = User()
    user.greet()
    user.own.await_all("snapshot")
    user.subscribe("A", "B")
    user.clock.at_s = 2.0
    user.hear(Snapshot("A", {"quotes": 0}))
    assert user.done == []
    user.hear(Snapshot("B", {"quotes": 0}))
    assert user.done == [("snapshot", 2.0)]


def test_resumed_ticks_are_not_taken_for_late_ones(user: User) -> None:
    user.hear(quote(1))
    user.clock.at_s = 9.0
    user.own.await_all("recover")
    (command,) = user.greet()
    assert isinstance(command, Subscribe)
    assert command.resume is not None
    assert command.resume.quotes == {"A": 1}
    user.hear(quote(2), quote(3), Resumed("quotes", "A", 2, 3, complete=True))
    user.hear(quote(4, ts_out=9 * 10**9))
    assert user.tally.histogram(RESUMED_AGE).total == 2
    assert user.tally.resumed == 2
    assert user.tally.histogram(TICK_LATENCY).total == 2
    assert not user.tally.faults
    assert user.done[-1][0] == "recover"


def test_answers_that_refuse_are_told_and_no_answer_is_none(user: User) -> None:
    changes = user.own.subscribe(["X", "Y"], [])
    assert user.own.settle(changes) is None
    rejected = [Rejection("X", "unknown_symbol", "no source publishes X")]
    user.hear(Subscribed({}, id=changes[0].id, rejected=rejected))
    assert user.own.settle(changes) == ["no source publishes X"]


def test_ticks_of_what_is_given_up_are_foreign_only_after_the_answer(user: User) -> None:
    changes = user.own.unsubscribe(["A"])
    user.hear(quote(1))
    assert not user.tally.faults
    user.hear(Subscribed({}, id=changes[0].id))
    assert user.own.settle(changes) == []
    user.hear(quote(2))
    assert user.tally.faults == {"foreign": 1}
    assert user.own.symbols == []


def test_a_heart_that_stands_still_is_told_once_in_a_while(user: User) -> None:
    tell: Callable[[], str | None] = user.own.stale
    user.clock.at_s = 2.9
    assert tell() is None
    user.hear(Heartbeat(1, 0, 0.0, {}))
    assert tell() is None
    user.clock.at_s = 6.0
    assert tell() == "session s: none for 3.1 s"
    assert tell() is None


def test_a_pong_tells_the_time_and_being_known_takes_time(user: User) -> None:
    user.clock.at_s = 0.004
    user.hear(Pong(1_000, id=0), Authenticated("desk-2"))
    assert user.tally.histogram("ping").percentile_ms(1.0) == pytest.approx(4.0, rel=0.02)
    assert user.done[-1] == ("authenticate", 0.004)
