"""What holds of pending ticks, in Python and in C; where C was not compiled, of Python alone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.hub import path, pending
from feed.hub.pending import BATCH_TICKS, batch_frame, batches, message_sizes
from feed.hub.stream import Stream
from feed.protocol.frames import text_frame
from tests.fakes import frames

Make = Callable[..., Any]
BOTH = [pending.Pending] + ([path.Pending] if path.IN_C else [])
forms = pytest.mark.parametrize("batched", [False, True])
both = pytest.mark.parametrize("make", BOTH)


def owe(own: Any, payloads: list[bytes]) -> None:
    """Owe payloads to a pending that is on its own, in the way of its kind."""
    owe_all([own], *payloads)


def owe_all(takers: list[Any], *payloads: bytes) -> None:
    """Owe payloads to some pendings of one kind."""
    stream = Stream("quotes", "A")
    stream.takers = tuple(takers)
    in_python = bool(takers) and isinstance(takers[0], pending.Pending)
    fan_out: Any = path.IN_PYTHON[3] if in_python else path.fan_out
    fan_out(list(payloads), [stream] * len(payloads))


@pytest.fixture
def pairs() -> Iterator[Callable[[int], list[tuple[socket.socket, socket.socket]]]]:
    opened: list[tuple[socket.socket, socket.socket]] = []

    def make(count: int) -> list[tuple[socket.socket, socket.socket]]:
        opened.extend(socket.socketpair() for _ in range(count))
        for ours, _ in opened:
            ours.setblocking(False)
        return opened

    yield make
    for sock in chain.from_iterable(opened):
        sock.close()


@both
@given(
    sizes=st.lists(st.sampled_from([1, 125, 126, 160, 65_535, 65_536]), max_size=8),
    small=st.sampled_from([0, 1, BATCH_TICKS, BATCH_TICKS + 1]),
    batched=st.booleans(),
)
def test_the_buffer_is_every_payload_in_order_in_whole_frames(
    make: Make, sizes: list[int], small: int, batched: bool
) -> None:
    payloads = [bytes([65 + place % 26]) * size for place, size in enumerate(sizes)]
    payloads += [b"x"] * small
    own = make(batched=batched)
    owe(own, payloads)
    assert own.count == len(payloads)
    expected = [b"[" + b",".join(own) + b"]" for own in batches(payloads)] if batched else payloads
    assert frames(own.buffer()) == [(1, payload) for payload in expected]
    assert own.payloads() == payloads
    told = list(message_sizes(payloads, batched=batched))
    assert list(chain.from_iterable(payloads for _, payloads in told)) == payloads
    assert [size for size, _ in told] == [len(text_frame(payload)) for payload in expected]
    own.clear()
    assert (own.count, own.buffer(), own.payloads()) == (0, b"", [])


owing = st.tuples(
    st.sampled_from([1, 160, 70_000, 600_000]),
    st.sets(st.integers(0, 2)),
    st.none() | st.integers(0, 2),
)


@both
@given(st.lists(owing, max_size=12))
def test_each_is_owed_its_own_whoever_lets_go_meanwhile(
    make: Make, steps: list[tuple[int, set[int], int | None]]
) -> None:
    owners = [make(batched=False) for _ in range(3)]
    owed: list[list[bytes]] = [[], [], []]
    for place, (size, takers, cleared) in enumerate(steps):
        payload = bytes([65 + place]) * size
        owe_all([owners[own] for own in takers], payload)
        for own in takers:
            owed[own].append(payload)
        if cleared is not None:
            owners[cleared].clear()
            owed[cleared] = []
        assert [own.payloads() for own in owners] == owed


@both
@forms
def test_sockets_get_the_buffer_and_only_those_that_took_less_are_told(
    make: Make, batched: bool, pairs: Any
) -> None:
    own = make(batched=batched)
    owe(own, [b"x" * 300] * 3_000)
    size = len(own.buffer())
    whole, full, broken = pairs(3)
    whole[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * size)
    full[0].send(b"-" * 10_000_000)
    broken[1].close()
    taken_by_function: list[bytes] = []

    def function(buffer: bytes) -> int:
        taken_by_function.append(buffer)
        return 7

    targets = {name: sock.fileno() for name, (sock, _) in zip("wfb", pairs(0), strict=True)}
    total, told = own.send({**targets, "function": function})
    assert (total, dict(told)) == (size, {"f": 0, "b": -1, "function": 7})
    assert taken_by_function == [own.buffer()]
    assert whole[1].recv(2 * size, socket.MSG_WAITALL | socket.MSG_DONTWAIT) == own.buffer()


@both
def test_a_function_may_flush_another_cohort_in_between(make: Make, pairs: Any) -> None:
    own, other = make(batched=False), make(batched=False)
    owe(own, [b"x" * 300])
    owe(other, [b"y" * 300])
    [(ours, theirs)] = pairs(1)

    def function(buffer: bytes) -> int:
        other.send({"other": len})
        return len(buffer)

    own.send({"function": function, "socket": ours.fileno()})
    assert theirs.recv(1_000) == own.buffer()


@both
def test_what_a_target_raises_is_raised(make: Make) -> None:
    own = make(batched=False)
    owe(own, [b"x"])

    def fail(buffer: bytes) -> int:
        raise KeyError(buffer)

    with pytest.raises(KeyError):
        own.send({"member": fail})
    assert own.count == 1


def test_a_batch_message_holds_a_bounded_number_of_ticks() -> None:
    sizes = [len(own) for own in batches([b"{}"] * (2 * BATCH_TICKS + 1))]
    assert sizes == [BATCH_TICKS, BATCH_TICKS, 1]
    assert batch_frame([b"1", b"2"]) == text_frame(b"[1,2]")
