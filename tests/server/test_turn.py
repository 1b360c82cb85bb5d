from __future__ import annotations

from collections.abc import Callable

import pytest

from feed.server.turn import SHARE_S, Turn


class FakeLoop:
    """A loop whose turns and time pass when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.soon: list[Callable[[], None]] = []
        self.done: list[str] = []
        self.turn = Turn(self, lambda: self.now_s)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def next_turn(self) -> list[str]:
        self.done = []
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()
        return self.done

    def session(self, name: str, *, steps: int, each_s: float = 0.0) -> Callable[[], bool]:
        left = steps

        def step() -> bool:
            nonlocal left
            left -= 1
            self.now_s += each_s
            self.done.append(name)
            return left > 0

        return step


def test_a_session_is_served_until_it_has_no_more() -> None:
    loop = FakeLoop()
    loop.turn.add(loop.session("a", steps=3))
    assert loop.next_turn() == ["a", "a", "a"]
    assert loop.next_turn() == []


def test_sessions_take_turns_step_by_step() -> None:
    loop = FakeLoop()
    loop.turn.add(loop.session("flood", steps=4))
    loop.turn.add(loop.session("a", steps=1))
    assert loop.next_turn() == ["flood", "a", "flood", "flood", "flood"]


def test_what_does_not_fit_the_share_waits_and_newcomers_do_not_wait_for_all_of_it() -> None:
    loop = FakeLoop()
    loop.turn.add(loop.session("flood", steps=100, each_s=SHARE_S))
    assert loop.next_turn() == ["flood", "flood"]
    loop.turn.add(loop.session("a", steps=1))
    assert loop.next_turn()[:2] == ["flood", "a"]


def test_at_least_one_step_is_done_in_a_turn() -> None:
    loop = FakeLoop()
    loop.turn.add(loop.session("slow", steps=2, each_s=1))
    assert loop.next_turn() == ["slow"]
    assert loop.next_turn() == ["slow"]


def test_the_loop_is_asked_once_a_turn() -> None:
    loop = FakeLoop()
    for _ in range(5):
        loop.turn.add(loop.session("a", steps=1))
    assert len(loop.soon) == 1


def test_a_step_that_fails_keeps_nobody_else_waiting() -> None:
    loop = FakeLoop()

    def fail() -> bool:
        raise RuntimeError("a mistake of ours")

    loop.turn.add(fail)
    loop.turn.add(loop.session("a", steps=1))
    with pytest.raises(RuntimeError):
        loop.next_turn()
    assert loop.next_turn() == ["a"]
