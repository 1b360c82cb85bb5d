from __future__ import annotations

import threading

import pytest

from feed.client import held as held_module
from feed.client.held import Held
from feed.ticks import Quote, Tick, Trade


def trades(first: int, last: int, symbol: str = "A") -> list[Tick]:
    return [Trade(symbol, seq, seq, 1.0, 1, 0) for seq in range(first, last + 1)]


def test_ticks_are_held_by_kind_in_the_order_they_came() -> None:
    held = Held(1_000)
    quote = Quote("B", 1, 1, 1.0, 1, 2.0, 1, 0)
    held.take([*trades(1, 2), quote, *trades(3, 3)])
    held.take(trades(4, 4))
    assert held.columns(Trade)["seq"].tolist() == [1, 2, 3, 4]
    assert held.columns(Quote)["bid"].tolist() == [1.0]
    assert [(name, len(ring)) for name, ring in held.by_channel()] == [("quotes", 1), ("trades", 4)]
    assert set(held.symbols) == {"A", "B"}


def test_each_channel_holds_its_newest() -> None:
    held = Held(2)
    held.take(trades(1, 5))
    assert held.columns(Trade)["seq"].tolist() == [4, 5]


def waiting(held: Held, n: int | None, quiet: bool = False) -> tuple[threading.Thread, list[int]]:
    """Wait in a thread; it has begun when this returns."""
    came: list[int] = []
    begun = threading.Event()

    def look() -> bool:
        begun.set()
        return quiet

    def wait() -> None:
        came.append(held.wait(n, None, look))

    thread = threading.Thread(target=wait)
    thread.start()
    assert begun.wait(10)
    return thread, came


def test_whoever_waits_is_let_go_by_the_tick_that_was_missing() -> None:
    held = Held(1_000)
    held.take(trades(1, 5))
    two, came_two = waiting(held, 2)
    three, came_three = waiting(held, 3)
    held.take(trades(6, 6))
    held.take(trades(7, 7))
    two.join(10)
    assert came_two == [2]
    held.take(trades(8, 9))
    three.join(10)
    assert came_three == [4]


def test_the_end_lets_everybody_go() -> None:
    held = Held(1_000)
    thread, came = waiting(held, 2)
    held.end()
    thread.join(10)
    assert came == [0]
    assert held.wait(1, None, lambda: False) == 0


def test_a_wait_ends_when_the_sources_have_and_nothing_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held_module, "LOOK_INTERVAL_S", 0.01)
    thread, came = waiting(Held(1_000), 2, quiet=True)
    thread.join(10)
    assert came == [0]


@pytest.mark.parametrize("n", [None, 3])
def test_a_wait_ends_when_time_is_up(n: int | None) -> None:
    assert Held(1_000).wait(n, 0.01, lambda: True) == 0


def test_a_numbering_that_begins_within_a_list_cuts_it() -> None:
    numberings: list[tuple[int, str]] = [(0, "e1")]
    held = Held(1_000, numberings)
    held.take(trades(1, 2))
    numberings += [(3, "e2"), (3, "e3"), (5, "e4")]
    held.take(trades(1, 4))
    columns = held.columns(Trade)
    assert [columns.epochs[code] for code in columns["epoch"]] == ["e1"] * 3 + ["e3"] * 2 + ["e4"]
    assert held.count == 6
