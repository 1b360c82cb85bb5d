from __future__ import annotations

from collections.abc import Callable

from feed.server.turn import SHARE_S, Turn


class FakeLoop:
    """A loop whose turns end when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def next_turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


def test_a_turn_is_over_when_its_share_is_used_up_and_the_next_begins_anew() -> None:
    loop = FakeLoop()
    turn = Turn(loop, lambda: loop.now_s)
    assert not turn.over()
    loop.now_s += SHARE_S / 2
    assert not turn.over()
    loop.now_s += SHARE_S
    assert turn.over()
    assert turn.over()
    loop.next_turn()
    assert not turn.over()


def test_the_first_of_a_turn_is_served_however_late_it_is() -> None:
    loop = FakeLoop()
    turn = Turn(loop, lambda: loop.now_s)
    for _ in range(3):
        loop.now_s += 1
        assert not turn.over()
        loop.next_turn()


def test_the_loop_is_asked_once_a_turn() -> None:
    loop = FakeLoop()
    turn = Turn(loop, lambda: loop.now_s)
    for _ in range(5):
        turn.over()
    assert len(loop.soon) == 1
