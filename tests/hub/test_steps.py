from __future__ import annotations

from collections.abc import Generator

from feed.hub.steps import STEP, Pace, finish


def test_it_is_the_turn_of_others_after_each_step() -> None:
    pace = Pace()
    told = [pace() for _ in range(3 * STEP)]
    assert [at for at, yes in enumerate(told, 1) if yes] == [STEP, 2 * STEP, 3 * STEP]


def test_work_may_be_finished_at_once_and_gives_what_it_returns() -> None:
    def work() -> Generator[None, None, int]:
        pace, done = Pace(), 0
        for _ in range(3 * STEP):
            done += 1
            if pace():
                yield
        return done

    assert finish(work()) == 3 * STEP
