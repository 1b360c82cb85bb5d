from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from selectors import EVENT_READ, EVENT_WRITE

import pytest

from feed.alarm import Alarm
from feed.loop import SOCKETS, Loop, Readiness, run

Pairs = list[tuple[socket.socket, socket.socket]]


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    """More than are told of in one turn, each with something to read."""
    made = [socket.socketpair() for _ in range(SOCKETS + 2)]
    for ours, peer in made:
        ours.setblocking(False)
        peer.send(b"x")
    yield made
    for pair in made:
        for sock in pair:
            sock.close()


@pytest.fixture
def selector() -> Iterator[Readiness]:
    loop = Loop()
    yield loop.readiness
    loop.close()


def numbers(selector: Readiness) -> list[int]:
    return [key.fd for key, _ in selector.select(0)]


def test_a_few_sockets_are_told_of_at_a_time_and_none_waits_for_another_twice(
    pairs: Pairs, selector: Readiness
) -> None:
    for ours, _ in pairs:
        selector.register(ours, EVENT_READ)
    first, second, third = numbers(selector), numbers(selector), numbers(selector)
    assert (len(first), len(second)) == (SOCKETS, 2)
    assert {*first, *second} == {ours.fileno() for ours, _ in pairs}
    assert len(third) == SOCKETS, "they are still ready"


def test_who_was_given_up_or_changed_while_it_waited_is_not_told_of(
    pairs: Pairs, selector: Readiness
) -> None:
    for ours, _ in pairs:
        selector.register(ours, EVENT_READ)
    told = numbers(selector)
    gone, changed = (ours for ours, _ in pairs if ours.fileno() not in told)
    selector.unregister(gone)
    selector.modify(changed, EVENT_READ | EVENT_WRITE)
    assert numbers(selector) == []
    assert changed.fileno() in numbers(selector) + numbers(selector), "it was looked at anew"


def test_each_turn_of_a_loop_reads_a_few(pairs: Pairs) -> None:
    turns: list[int] = []

    def count(loop: asyncio.AbstractEventLoop) -> None:
        turns.append(0)
        if len(turns) < 3:
            loop.call_soon(count, loop)
        else:
            loop.call_soon(loop.stop)

    def read(sock: socket.socket) -> None:
        sock.recv(1)
        turns[-1] += 1

    loop = Loop()
    for ours, _ in pairs:
        loop.add_reader(ours, read, ours)
    loop.call_soon(count, loop)
    loop.run_forever()
    loop.close()
    assert turns == [SOCKETS, 2, 0]


def test_a_crowd_of_sockets_holds_no_player_back(pairs: Pairs) -> None:
    done: list[str] = []

    def play() -> float | None:
        done.append("play")
        return 0.0 if done.count("play") < 9 else None

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for ours, _ in pairs:
            loop.add_reader(ours, lambda sock: done.append(sock.recv(1).decode()), ours)
        await Alarm().repeat(play)
        for ours, _ in pairs:
            loop.remove_reader(ours)

    run(main())
    first, last = done.index("x"), len(done) - 1 - done[::-1].index("x")
    assert done[first : last + 1] == [*"x" * SOCKETS, "play", *"x" * 2]
