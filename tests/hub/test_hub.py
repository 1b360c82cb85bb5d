from __future__ import annotations

from collections.abc import Callable

from feed.hub.hub import MUCH_TICKS, Hub
from feed.hub.index import TIDY_STREAMS
from feed.hub.late import LateHub
from feed.hub.steps import Pace, finish
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.hub.tickerplant import Tickerplant
from tests.fakes import FakeClock, FakeTransport, World, messages, quote, trade


def listener(world: World, command: bytes, *, batched: bool = False) -> FakeTransport:
    transport = FakeTransport()
    session = world.registry.open(transport, batched=batched, peer="test")
    session.receive(command)
    transport.taken.clear()
    return transport


def test_ticks_reach_only_the_subscribers_of_their_symbol_and_channel() -> None:
    world = World()
    only_a = listener(world, b'{"type":"subscribe","symbols":["A"],"channels":["quotes"]}')
    world.publish(quote("A"), quote("B"), trade("A"), quote("A"))
    world.hub.flush()
    assert [(own["type"], own["symbol"], own["seq"]) for own in messages(only_a)] == [
        ("quote", "A", 1),
        ("quote", "A", 2),
    ]


def test_nothing_is_encoded_while_nobody_listens() -> None:
    world = World()
    world.publish(quote("A"), trade("A"))
    listener(world, b'{"type":"subscribe","symbols":["B"]}')
    world.publish(quote("A"), trade("A"))
    assert world.hub.metrics.encodings == 0
    assert world.hub.metrics.ticks_in == 4
    assert world.flushes == []


def test_a_tick_is_encoded_once_however_many_listen() -> None:
    world = World()
    for batched in (False, True, False):
        listener(world, b'{"type":"subscribe","symbols":["A"]}', batched=batched)
    world.publish(quote("A"))
    world.hub.flush()
    assert world.hub.metrics.encodings == 1
    assert world.hub.metrics.ticks_out == {"quotes": 3}


def test_one_flush_is_scheduled_however_many_bursts_come_before_it() -> None:
    world = World()
    listener(world, b'{"type":"subscribe","symbols":["*"]}')
    world.publish(quote("A"))
    world.publish(quote("B"))
    assert len(world.flushes) == 1


def test_bytes_are_the_same_for_everybody() -> None:
    world = World()
    one, two = (listener(world, b'{"type":"subscribe","symbols":["A"]}') for _ in range(2))
    world.publish(quote("A"), trade("A"))
    world.hub.flush()
    assert one.taken == two.taken != b""


def test_a_flush_of_one_cohort_leaves_the_others_pending() -> None:
    world = World()
    one = listener(world, b'{"type":"subscribe","symbols":["A"]}')
    two = listener(world, b'{"type":"subscribe","symbols":["A","B"]}')
    world.publish(quote("A"))
    [first, _] = world.hub.index.cohorts
    world.hub.flush_cohort(first)
    assert one.taken
    assert not two.taken
    world.hub.flush()
    assert two.taken == one.taken


def test_a_new_numbering_keeps_the_newest_of_what_is_not_gone_as_its_first() -> None:
    world = World()
    world.publish(quote("A"), quote("B", bid=7), quote("B", bid=8), trade("A"), trade("B"))
    transport = listener(world, b'{"type":"subscribe","symbols":["A"]}')
    world.publish(quote("A"))
    world.restart("A")
    assert messages(transport)[-1]["seq"] == 2, "what was pending went out before"
    gone, kept = (world.hub.last_values.snapshot(name, ["quotes"]) for name in "AB")
    assert (gone.seqs, gone.quote, gone.trade, gone.session) == ({"quotes": 0}, None, None, None)
    assert kept.seqs == {"quotes": 1}
    assert kept.quote is not None
    assert (kept.quote.seq, kept.quote.bid) == (1, 8)
    assert kept.session is not None
    stream = world.hub.index.find("quotes", "B")
    assert stream is not None
    assert [own.seq for own in world.hub.journal.since(stream, 1, 9) or ()] == [1]
    world.publish(quote("A"), quote("B"))
    assert world.hub.index.find("quotes", "A").seq == 1  # type: ignore[union-attr]
    assert stream.seq == 2


def test_a_cohort_that_was_flushed_by_itself_meanwhile_is_sent_each_tick_once() -> None:
    world = World()
    transport = FakeTransport()
    session = world.registry.open(transport, batched=False, peer="test")
    session.receive(b'{"type":"subscribe","symbols":["A"],"channels":["quotes"],"snapshot":false}')
    [cohort] = [own for own in world.hub.index.cohorts if own.members and len(own.subscriptions)]
    transport.taken.clear()
    world.publish(quote())
    world.hub.flush_cohort(cohort)
    world.publish(quote(), quote())
    transport.room = 0
    world.hub.flush()
    transport.room = 1 << 40
    session.delivery.drain()
    assert [own["seq"] for own in messages(transport)] == [1, 2, 3]


def test_letting_go_of_streams_is_no_flush() -> None:
    scheduled, soon = list[Callable[[], None]](), list[Callable[[], None]]()
    live = Hub(scheduled.append, soon=soon.append)
    for hub in (live, LateHub(live, 5, lambda *missing: None)):
        for number in range(TIDY_STREAMS + 1):
            hub.index.begin("quotes", f"S{number}")
        wish = Subscriptions({Subscription("quotes", "*"): Terms("all")})
        with hub.index.held(wish, batched=False) as cohort:
            finish(hub.index.fill(cohort, Pace()))
        assert len(cohort.streams) == 1
        soon.pop()()
        assert not cohort.streams
    assert scheduled == soon == []


def test_whoever_holds_the_flush_back_makes_it() -> None:
    scheduled: list[Callable[[], None]] = []
    hub = Hub(scheduled.append)
    plant = Tickerplant(hub.index, hub.receive, FakeClock())
    with hub.index.held(
        Subscriptions({Subscription("quotes", "A"): Terms("adaptive")}), batched=False
    ) as cohort:
        finish(hub.index.fill(cohort, Pace()))
        hub.held = True
        plant.publish([quote()])
        assert (cohort.count, scheduled) == (1, [])
        hub.flush()
        plant.publish([quote()])
        assert scheduled == [hub.flush]


def test_those_who_are_owed_much_are_sent_it_before_the_flush() -> None:
    world = World()
    everything = listener(world, b'{"type":"subscribe","symbols":["*"]}')
    only_a = listener(world, b'{"type":"subscribe","symbols":["A"]}')
    world.publish(*(quote("B") for _ in range(MUCH_TICKS)), quote("A"))
    world.hub.relieve()
    world.publish(quote("A"))
    assert (len(messages(everything)), len(messages(only_a))) == (MUCH_TICKS + 1, 0)
    world.hub.flush()
    assert (len(messages(everything)), len(messages(only_a))) == (MUCH_TICKS + 2, 2)


def test_a_little_waits_for_the_flush() -> None:
    world = World()
    everything = listener(world, b'{"type":"subscribe","symbols":["*"]}')
    world.publish(*(quote("B") for _ in range(MUCH_TICKS)))
    world.hub.relieve()
    assert messages(everything) == []


class Trickle(FakeTransport):
    """A socket that takes some of every write, once it is full."""

    full = False

    def write(self, buffer: bytes | memoryview) -> int:
        return super().write(buffer[:1_000] if self.full else buffer)


def test_whoever_was_relieved_before_and_takes_less_now_is_sent_nothing_twice() -> None:
    world, transport = World(), Trickle()
    session = world.registry.open(transport, batched=False, peer="test")
    session.receive(b'{"type":"subscribe","symbols":["*"],"delivery":"all"}')
    transport.taken.clear()
    for transport.full in (False, True):
        world.publish(*(quote("B") for _ in range(MUCH_TICKS + 1)))
        world.hub.relieve()
    seqs = [own["seq"] for own in messages(transport, torn=True) if own["type"] == "quote"]
    assert seqs == list(range(1, len(seqs) + 1))
