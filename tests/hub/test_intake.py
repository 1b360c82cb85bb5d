from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.hub import sums
from feed.hub.bars import SECOND_NS
from feed.hub.cohort import Member, Segment
from feed.hub.hub import Hub
from feed.hub.intake import PIECE_TICKS, Intake
from feed.hub.pending import Target
from feed.hub.rows import Rows
from feed.hub.steps import Pace, finish
from feed.hub.stream import Stream
from feed.hub.subscriptions import Subscription, Subscriptions, Terms
from feed.hub.tickerplant import Tickerplant
from feed.sessions.expiry import Expiries
from feed.tape.block import TickBlock, block_of
from feed.ticks import Bar, Status, Tick, Trade
from tests.fakes import FakeClock, FakeTransport, messages
from tests.hub.blocks import Row, block
from tests.tape.taking import Taking


class Counted(Hub):
    """Counts what came as rows and as ticks, and how often there was a flush."""

    rows = ticks = flushes = 0

    def receive(self, ticks: list[Tick], streams: list[Stream]) -> None:
        self.ticks += len(ticks)
        super().receive(ticks, streams)

    def receive_rows(self, rows: Rows, start: int, stop: int, ts_out: int) -> None:
        self.rows += stop - start
        super().receive_rows(rows, start, stop, ts_out)

    @property
    def sent(self) -> int:
        """How many came the direct way."""
        return self.metrics.ticks_in - self.rows - self.ticks

    def flush(self) -> None:
        self.flushes += 1
        super().flush()


class World:
    """A hub behind an intake."""

    def __init__(self, *, rows: bool = True, brings_bars: bool = False) -> None:
        self.scheduled: list[Callable[[], None]] = []
        self.hub = Counted(self.scheduled.append)
        self.clock = FakeClock()
        self.plant = Tickerplant(self.hub.index, self.hub.receive, self.clock)
        self.ends = Expiries()
        self.expired: list[int] = []
        self.intake = Intake(
            self.plant,
            self.hub,
            self.clock.now_ns,
            self,
            as_rows=rows,
            brings_bars=brings_bars,
        )

    def expire(self, now_ns: int) -> None:
        if now_ns >= self.ends.next_ns:
            self.ends.take(now_ns)
            self.expired.append(now_ns)

    def log(self) -> dict[tuple[str, str], list[Tick]]:
        journal = self.hub.journal
        return {
            (own.channel, own.symbol): [_unstamped(t) for t in journal.since(own, 1, 999) or ()]
            for own in self.hub.index.streams()
        }


def _unstamped(tick: Tick) -> Tick:
    tick.ts_out = 0
    return tick


def trades(*seconds: float) -> TickBlock:
    times = (np.array(seconds) * SECOND_NS).astype(np.int64)
    codes = np.arange(len(seconds)) % 2
    return block_of(Trade, times, ["A", "B"], codes, {"price": np.array(seconds) + 1})


def bursts(block: TickBlock, size: int) -> Iterator[int]:
    yield from range(size, len(block), size)
    yield len(block)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_log_is_the_same_whether_ticks_come_as_rows_or_as_ticks(size: int) -> None:
    block = trades(*(i * 0.21 for i in range(40)), *(60 + i * 0.4 for i in range(20)))
    worlds = [World(rows=own) for own in (True, False)]
    for world in worlds:
        slices = Taking(block)
        for stop in bursts(block, size):
            world.intake.publish(slices.take(stop))
    as_rows, as_ticks = worlds
    assert as_rows.log() == as_ticks.log()
    assert as_ticks.hub.rows == 0
    assert as_rows.hub.rows > 0 or size == 100
    snapshots = [w.hub.last_values.snapshot("A", ["trades", "bars"]).session for w in worlds]
    assert snapshots[0] == snapshots[1]


def test_a_burst_that_closes_no_bar_comes_as_rows_and_one_that_does_as_ticks() -> None:
    world, slices = World(), Taking(trades(0.1, 0.2, 0.3, 1.1, 1.2))
    world.intake.publish(slices.take(1))  # the first one opens the second
    world.intake.publish(slices.take(3))
    assert world.hub.rows == 2
    world.intake.publish(slices.take(4))
    assert world.hub.rows == 2
    world.intake.publish(slices.take(5))
    assert world.hub.rows == 3
    bars = [own for own in world.log()["bars", "A"] if isinstance(own, Bar)]
    assert [own.ts_event for own in bars] == [0]


def test_a_source_with_bars_of_its_own_gets_none() -> None:
    world, block = World(brings_bars=True), trades(0.1, 5.1, 70.1)
    world.intake.publish(Taking(block).take(len(block)))
    assert world.hub.rows == 3
    assert {channel for channel, _ in world.log()} == {"trades"}


def test_what_is_neither_quote_nor_trade_comes_as_ticks() -> None:
    world = World()
    halted = np.array(["halted"], object)
    block = block_of(
        Status, np.zeros(1, np.int64), ["A"], np.zeros(1, np.int64), {"status": halted}
    )
    world.intake.publish(Taking(block).take(1))
    assert world.hub.rows == 0
    assert list(world.log()) == [("status", "A")]


class Listener(FakeTransport):
    """Takes every trade."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        wish = Subscriptions({Subscription("trades", "*"): Terms("adaptive")})
        with hub.index.held(wish, batched=False) as cohort:
            finish(hub.index.fill(cohort, Pace()))
            cohort.join(cast(Member, self), behind=False)

    @property
    def target(self) -> Target:
        return self.write

    @property
    def heard(self) -> list[dict[str, Any]]:
        """What came, in order, but for when."""
        return [own | {"ts_out": 0} for own in messages(self)]


@pytest.mark.parametrize("size", [1, 3, PIECE_TICKS + 1])
def test_what_is_sent_at_once_is_what_a_flush_after_it_sends(size: int) -> None:
    block = trades(*np.linspace(0.1, 3.9, PIECE_TICKS + 7))
    worlds = World(), World(), World(rows=False)
    listeners = [Listener(world.hub) for world in worlds]
    for world, at_once in zip(worlds, (True, False, True), strict=True):
        slices = Taking(block)
        for stop in bursts(block, size):
            if at_once:
                world.intake.send(slices.take(stop))
                assert not world.hub.owed
                assert not world.hub.held
            else:
                world.intake.publish(slices.take(stop))
                world.hub.flush()
    first, *others = (listener.heard for listener in listeners)
    assert len(first) == len(block)
    assert others == [first, first]
    assert worlds[0].log() == worlds[1].log() == worlds[2].log()
    assert worlds[0].scheduled == worlds[2].scheduled == [], "it is flushed already"
    counts = [(w.hub.metrics.ticks_in, w.hub.metrics.ticks_out) for w in worlds]
    assert counts[0] == counts[1] == counts[2]
    assert (worlds[0].hub.sent > PIECE_TICKS / 2) == (size < PIECE_TICKS)
    assert worlds[1].hub.sent == worlds[2].hub.sent == 0


class Short(Listener):
    """Has room for some bytes only, and notes the numbers of the trades that were kept for it."""

    def __init__(self, hub: Hub, room: int) -> None:
        super().__init__(hub)
        self.room = room
        self.kept: list[list[int]] = []

    def fall_behind(self, segment: Segment, sent: int) -> None:
        self.kept.append([own.seq for own in segment.after(sent)[1]])

    def offer(self, segment: Segment) -> None:
        self.kept.append([own.seq for own in segment.whole])


@pytest.mark.parametrize(("room", "kept"), [(0, [[1], [1, 2], [2, 3]]), (100, [[2], [2, 3]])])
def test_whoever_takes_less_of_a_send_is_kept_the_rest_as_of_a_flush(
    room: int, kept: list[list[int]]
) -> None:
    worlds = World(), World()
    first, second = (Short(world.hub, room) for world in worlds)
    for world in worlds:
        slices = Taking(trades(0.1, 0.2, 0.3, 0.4, 0.5))
        for stop in (1, 3, 5):
            if world is worlds[0]:
                world.intake.send(slices.take(stop))
            else:
                world.intake.publish(slices.take(stop))
                world.hub.flush()
    assert (first.taken, first.kept) == (second.taken, second.kept)
    assert first.kept == kept
    assert worlds[0].hub.sent == 4


@pytest.mark.parametrize("rows", [True, False])
def test_whoever_publishes_is_told_that_somebody_is_behind_for_as_long_as_one_is(
    rows: bool,
) -> None:
    world = World(rows=rows)
    listener, slices = Short(world.hub, 1 << 40), Taking(trades(0.1, 0.2, 0.3, 0.4, 0.5))
    assert not world.intake.send(slices.take(1))
    listener.room = 10
    assert world.intake.send(slices.take(2))
    assert world.intake.send(slices.take(3))
    [cohort] = [own for own in world.hub.index.cohorts if own.members]
    cohort.caught_up(cast(Member, listener))
    listener.room = 1 << 40
    assert not world.intake.send(slices.take(4))
    listener.room = 0
    assert world.intake.send(slices.take(5))
    cohort.leave(cast(Member, listener))
    world.hub.flush()
    assert not world.hub.strained


class Socket(Listener):
    """Takes every trade by a socket."""

    def __init__(self, hub: Hub, sock: socket.socket) -> None:
        self._fd = sock.fileno()
        super().__init__(hub)

    @property
    def target(self) -> Target:
        return self._fd


def test_a_send_is_counted_as_a_flush_is() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        worlds = World(), World()
        for world in worlds:
            Socket(world.hub, ours)
            slices = Taking(trades(0.1, 0.2, 0.3, 0.4))
            for stop in (1, 2, 4):
                if world is worlds[0]:
                    world.intake.send(slices.take(stop))
                else:
                    world.intake.publish(slices.take(stop))
                    world.hub.flush()
    sent, flushed = (world.hub.metrics for world in worlds)
    counts = [
        (own.bytes_out, own.encodings, own.ticks_in, own.ticks_out) for own in (sent, flushed)
    ]
    assert counts[0] == counts[1]
    assert sent.bytes_out > 0
    for own in (sent, flushed):
        assert (sum(own.fan_out.counts), sum(own.flush.counts)) == (3, 3)


def test_whoever_has_expired_is_ended_before_rows_go_out() -> None:
    world, slices = World(), Taking(trades(0.1, 0.2, 0.3, 0.4, 0.5))
    for stop in (1, 2):
        world.intake.send(slices.take(stop))
    assert world.hub.sent == 1
    second = world.clock.now_ns() // SECOND_NS + 1
    world.ends.add(second, cast(Any, "session"))
    world.intake.send(slices.take(3))
    assert (world.hub.sent, world.expired) == (2, [])
    world.clock.wall_ns += SECOND_NS
    world.intake.send(slices.take(4))
    assert (world.hub.sent, world.expired) == (2, [world.clock.now_ns()])
    world.intake.send(slices.take(5))
    assert world.hub.sent == 3
    assert len(world.log()["trades", "A"]) == 3


def test_each_block_brings_rows_of_its_own() -> None:
    world = World()
    listener = Listener(world.hub)
    for each in (trades(0.1, 0.2), trades(0.3, 0.4)):
        slices = Taking(each)
        world.intake.send(slices.take(1))
        world.intake.send(slices.take(2))
    assert [own["price"] for own in listener.heard] == [1.1, 1.2, 1.3, 1.4]
    assert world.hub.sent == 3


def test_what_somebody_else_published_before_goes_out_before() -> None:
    world = World()
    listener, slices = Listener(world.hub), Taking(trades(0.1, 0.2, 0.3))
    world.intake.send(slices.take(1))
    world.plant.publish([Trade("Z", 0, 5, 1.0, 1, 0)])
    world.intake.send(slices.take(3))
    assert [own["symbol"] for own in listener.heard] == ["A", "Z", "B", "A"]
    assert (world.hub.sent, world.hub.rows, world.hub.flushes) == (0, 2, 2)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("rows", [True, False])
def test_whoever_is_owed_much_of_a_large_burst_is_relieved_between_its_pieces(
    rows: bool, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, seen = World(rows=rows), list[int]()
    monkeypatch.setattr(world.hub, "relieve", lambda: seen.append(world.hub.metrics.ticks_in))
    block = trades(*np.linspace(0.1, 0.9, 2 * PIECE_TICKS + 2))
    slices = Taking(block)
    world.intake.send(slices.take(1))  # it opens the second
    (world.intake.send if at_once else world.intake.publish)(slices.take(len(block)))
    assert seen == [PIECE_TICKS + 1, 2 * PIECE_TICKS + 1]
    assert world.hub.metrics.ticks_in == len(block)


def test_after_a_restart_bars_that_were_open_are_gone() -> None:
    world, slices = World(), Taking(trades(0.1, 0.2, 3.1, 3.2))
    world.intake.publish(slices.take(2))
    world.intake.restart()
    world.intake.publish(slices.take(4))
    assert ("bars", "A") not in world.log()


@pytest.mark.parametrize("at_once", [True, False])
def test_after_a_restart_bars_begin_anew_even_within_a_second(at_once: bool) -> None:
    world, slices = World(), Taking(trades(0.1, 0.15, 0.2, 0.25, 0.3, 1.2))
    publish = world.intake.send if at_once else world.intake.publish
    for stop in (2, 4):
        publish(slices.take(stop))
    world.intake.restart()
    for stop in (5, 6):
        publish(slices.take(stop))
    [bar] = world.log()["bars", "A"]
    assert isinstance(bar, Bar)
    assert (bar.trades, bar.open) == (1, 1.3)


step = st.sampled_from([0, 1_000, SECOND_NS // 3, SECOND_NS, 61 * SECOND_NS, -SECOND_NS // 2])
rewind = st.just(-100 * SECOND_NS)
fraction = st.integers(1, 10**9).map(lambda units: units / 10**7)
moving = st.tuples(step | step | rewind, st.booleans(), st.integers(0, 3), fraction, fraction)
moving_row = st.tuples(moving, st.integers(0, 900)).map(lambda own: (*own[0], own[1]))
ARRAYS = [
    np.array(names, dtype=object)
    for names in (["A", "B", "C", "D"], ["A", "B", "C", "D"], ["D", "X", "A", "B"])
]
piece = st.tuples(
    st.lists(moving_row, min_size=1, max_size=12),
    st.sampled_from(["whole", "parts", "none"]),
    st.sampled_from(ARRAYS),
    st.sampled_from([None, None, None, "restart", "forget", "renumber", "publish"]),
    st.integers(1, 5),
)


def placed(moves: list[Row], now_ns: int) -> list[Row]:
    """Turn steps of time into times."""
    made: list[Row] = []
    for own in moves:
        now_ns += own[0]
        made.append((now_ns, *own[1:]))
    return made


def do(world: World, deed: str | None) -> None:
    if deed == "restart":
        world.intake.restart()
    elif deed == "forget":
        world.hub.last_values.forget({"A", "X"})
    elif deed == "renumber":
        world.hub.restart({"B"})
    elif deed == "publish":
        world.plant.publish([Trade("C", 0, 5, 1.0, 1, 0)])


def play(world: World, pieces: list[Any]) -> list[Any]:
    now_ns = 600 * SECOND_NS
    for moves, sizes, symbols, deed, size in pieces:
        made = placed(moves, now_ns)
        slices = Taking(block(made, sizes, symbols))
        for stop in bursts(slices.block, size):
            world.intake.publish(slices.take(stop))
        do(world, deed)
        now_ns = made[-1][0]
    streams = [(s.channel, s.symbol, s.seq, s.find(0, s.held)) for s in world.hub.index.streams()]
    last = [world.hub.last_values.snapshot(own, ["bars"]).session for own in "ABCDX"]
    return [sorted(streams), last]


@given(st.lists(piece, min_size=1, max_size=6))
def test_blocks_as_rows_give_the_bytes_that_they_give_as_ticks_wherever_bars_close(
    pieces: list[Any],
) -> None:
    """What is kept from block to block must not be what no longer holds."""
    in_python: dict[str, Any] = {"Sums": sums.Sums, "bars_of": sums.bars_of, "gather": sums.gather}
    with patch.multiple("feed.hub.bars", **in_python):
        as_ticks = play(World(rows=False), pieces)
    assert play(World(), pieces) == as_ticks
