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


def test_who_has_just_come_is_served_before_those_who_have_begun_and_these_in_every_turn() -> None:
    loop = FakeLoop()
    for name in ("long", "list"):
        loop.turn.add(loop.session(name, steps=9, each_s=SHARE_S))
    loop.next_turn()
    for name in ("a", "b", "c"):
        loop.turn.add(loop.session(name, steps=1, each_s=SHARE_S / 2))
    assert loop.next_turn() == ["long", "a"]
    assert loop.next_turn() == ["list", "b"]
    assert loop.next_turn() == ["long", "c"]


@pytest.mark.parametrize(("others_s", "steps"), [(0.001, 5), (0.02, 11), (9.0, 17)])
def test_a_turn_that_is_long_anyway_gives_more_up_to_a_bound(others_s: float, steps: int) -> None:
    loop = FakeLoop()
    loop.turn.add(loop.session("a", steps=99, each_s=0.001))
    loop.now_s += others_s
    assert len(loop.next_turn()) in (steps - 1, steps)


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
