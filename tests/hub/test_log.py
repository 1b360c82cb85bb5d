"""What holds of the log, in Python and in C."""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.hub import log, path


class Kind(NamedTuple):
    log: Any
    held: Any


IN_PYTHON = Kind(log.Log, log.Held)
both = pytest.mark.parametrize(
    "own", [IN_PYTHON] + ([Kind(path.Log, path.Held)] if path.IN_C else [])
)


class World:
    """A log and some streams in it."""

    def __init__(self, own: Kind, limit_bytes: int, most: int, count: int = 3) -> None:
        self.log = own.log(limit_bytes)
        self.streams = [own.held() for _ in range(count)]
        for stream in self.streams:
            stream.open(self.log, most)

    def state(self) -> list[Any]:
        streams = [(own.held, own.newest, own.find(0, 10_000)) for own in self.streams]
        return [self.log.held_bytes, streams]


@both
def test_a_stream_holds_what_it_was_given_in_order(own: Kind) -> None:
    [stream] = World(own, 10_000, 100, 1).streams
    for payload in (b"", b"x", b"yy" * 100):
        stream.keep(payload)
    assert (stream.held, stream.newest) == (3, b"yy" * 100)
    assert stream.find(0, 9) == [b"", b"x", b"yy" * 100]
    assert stream.find(1, 1) == [b"x"]
    assert stream.find(3, 1) == []


@both
def test_the_oldest_of_all_goes_first_and_the_newest_stays_readable(own: Kind) -> None:
    world = World(own, 3 * log.cost_bytes(8), 100)
    quiet, busy, _ = world.streams
    quiet.keep(b"the last")
    for number in range(5):
        busy.keep(b"number %d" % number)
    assert (quiet.held, quiet.newest) == (0, b"the last")
    assert busy.find(0, 9) == [b"number %d" % number for number in (2, 3, 4)]


@both
def test_a_stream_that_is_in_no_log_has_its_newest_only(own: Kind) -> None:
    for stream in (own.held(), *World(own, 1000, 0, 1).streams):
        stream.keep(b"one")
        stream.keep(b"two")
        assert (stream.held, stream.newest) == (0, b"two")


@both
def test_what_is_larger_than_the_log_leaves_no_hole(own: Kind) -> None:
    [stream] = World(own, 100, 10, 1).streams
    stream.keep(b"x")
    stream.keep(b"x" * 200)
    assert (stream.held, stream.newest) == (0, b"x" * 200)
    stream.keep(b"y")
    assert stream.find(0, 9) == [b"y"]


@both
def test_a_stream_may_end_before_its_log_and_after_it(own: Kind) -> None:
    world = World(own, 200, 10)
    for stream in world.streams:
        stream.keep(b"x" * 20)
    del world.streams[:2], stream
    gc.collect()
    [left] = world.streams
    for number in range(20):
        left.keep(b"%020d" % number)
    del world.log
    assert left.find(left.held - 1, 1) == [b"%020d" % 19]


@both
def test_what_is_not_there_is_refused(own: Kind) -> None:
    [stream] = World(own, 200, 10, 1).streams
    with pytest.raises((TypeError, AttributeError)):
        stream.keep(5)
    if own is not IN_PYTHON:
        with pytest.raises(IndexError):
            stream.find(-1, 1)
        with pytest.raises(ValueError, match="already"):
            stream.open(own.log(1), 1)
        with pytest.raises(ValueError, match="0 or more"):
            own.log(-1)


steps = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 90) | st.sampled_from([300, 999]), st.integers(0, 19)
    ),
    max_size=200,
)


@pytest.mark.skipif(not path.IN_C, reason="needs the compiled module")
@given(steps, st.integers(0, 2_000), st.integers(0, 40))
def test_the_log_in_c_holds_what_the_one_in_python_does(
    made: list[tuple[int, int, int]], limit_bytes: int, most: int
) -> None:
    worlds = [World(kind, limit_bytes, most) for kind in (IN_PYTHON, Kind(path.Log, path.Held))]
    for number, (at, size, clears) in enumerate(made):
        for world in worlds:
            if clears == 0:
                world.streams[at].clear()
            else:
                world.streams[at].keep((b"%d" % number * size)[:size])
        in_python, in_c = (world.state() for world in worlds)
        assert in_c == in_python
        assert worlds[0].log.held_bytes <= limit_bytes


@pytest.mark.skipif(not path.IN_C, reason="needs the compiled module")
def test_the_ring_is_gone_round_many_times() -> None:
    worlds = [World(kind, 50_000, 300) for kind in (IN_PYTHON, Kind(path.Log, path.Held))]
    for world in worlds:
        for number in range(20_000):  # some 4 MB, in a ring of 180 KB
            world.streams[number % 7 % 3].keep(b"%d" % number * (number % 61))
    assert worlds[0].state() == worlds[1].state()
