from __future__ import annotations

from tests.fakes import FakeTransport, World, messages, quote, trade


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
    assert world.hub.metrics.ticks_out == 3


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
