"""Players are called when they want to be, and whatever else the loop has to do waits for none."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from feed.alarm import FOREVER_S, Alarm, PlayDue
from feed.loop import Loop, Readiness, Ready, run


def test_an_alarm_calls_a_player_after_the_waits_it_asks_for_until_it_asks_for_none() -> None:
    waits: list[float | None] = [0.0, 0.001, 0.0, None]
    run(Alarm().repeat(lambda: waits.pop(0)))
    assert waits == []


class Turns(Readiness):
    """Counts the turns of its loop."""

    count = 0

    def select(self, timeout: float | None = None) -> list[Ready]:
        self.count += 1
        return super().select(timeout)


def test_a_player_that_waits_takes_no_turn_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feed.loop.Readiness", Turns)
    waits: list[float | None] = [*[0.001] * 50, None]

    async def main() -> int:
        selector = cast(Any, asyncio.get_running_loop()).readiness
        before = selector.count
        await Alarm().repeat(lambda: waits.pop())
        return int(selector.count - before)

    waits.reverse()
    assert run(main()) < 5


def test_what_a_player_brings_about_waits_for_nothing() -> None:
    """Without a look at what the loop has to do, the next call would be an hour away."""
    done: list[str] = []

    async def main() -> None:
        loop, alarm = asyncio.get_running_loop(), Alarm()

        def later() -> None:
            done.append("later")
            alarm.ring()

        def soon() -> None:
            done.append("soon")
            loop.call_later(0.01, later)
            alarm.ring()

        def play() -> float | None:
            done.append("play")
            if len(done) == 1:
                return 0.001
            if len(done) == 2:
                loop.call_soon(soon)
            return None if "later" in done else FOREVER_S

        async with asyncio.timeout(5):
            await alarm.repeat(play)

    run(main())
    assert done == ["play", "play", "soon", "play", "later", "play"]


def test_a_timer_that_a_player_sets_is_on_time_whatever_others_there_are() -> None:
    async def main() -> None:
        loop, alarm = asyncio.get_running_loop(), Alarm()
        calls: list[int] = []

        def play() -> float | None:
            calls.append(1)
            if len(calls) == 3:
                loop.call_later(0.01, alarm.ring)
            return None if len(calls) == 4 else 0.001 if len(calls) < 3 else FOREVER_S

        async with asyncio.timeout(5):
            await alarm.repeat(play)

    run(main())


def test_a_loop_that_a_player_stops_waits_for_nothing_more() -> None:
    late: list[str] = []
    loop = Loop()

    def play() -> float:
        loop.stop()
        return FOREVER_S

    playing = loop.create_task(Alarm().repeat(play))
    loop.call_later(0.5, late.append, "late")
    loop.run_forever()
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(playing)
    loop.close()
    assert late == []


def test_between_two_calls_of_a_player_sockets_and_threads_are_heard() -> None:
    async def main() -> None:
        loop, alarm, heard = asyncio.get_running_loop(), Alarm(), list[str]()
        ours, peer = socket.socketpair()
        ours.setblocking(False)

        def read() -> None:
            heard.append(ours.recv(8).decode())
            alarm.ring()

        def call() -> None:
            heard.append("thread")
            alarm.ring()

        def play() -> float | None:
            if not heard:
                peer.send(b"socket")
            elif heard == ["socket"]:
                loop.run_in_executor(None, loop.call_soon_threadsafe, call)
            return None if len(heard) == 2 else FOREVER_S

        loop.add_reader(ours, read)
        async with asyncio.timeout(5):
            await alarm.repeat(play)
        loop.remove_reader(ours)
        ours.close()
        peer.close()
        assert heard == ["socket", "thread"]

    run(main())


@pytest.mark.parametrize("wait_s", [FOREVER_S, 1e300, math.inf])
def test_however_long_a_player_waits_sockets_are_heard(wait_s: float) -> None:
    async def main() -> None:
        loop, alarm, heard = asyncio.get_running_loop(), Alarm(), list[bytes]()
        ours, peer = socket.socketpair()
        ours.setblocking(False)

        def read() -> None:
            heard.append(ours.recv(1))
            alarm.ring()

        def play() -> float | None:
            if not heard:
                peer.send(b"x")
            return None if heard else wait_s

        loop.add_reader(ours, read)
        await alarm.repeat(play)
        loop.remove_reader(ours)
        ours.close()
        peer.close()

    run(main())


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ValueError])
def test_a_signal_is_heard_while_a_player_waits(raised: type[BaseException]) -> None:
    def handle(*_: object) -> None:
        raise raised

    def play() -> float:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        return FOREVER_S

    before = signal.signal(signal.SIGALRM, handle)
    try:
        with pytest.raises(raised):
            run(Alarm().repeat(play))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_wait_goes_on_after_a_signal_whatever_its_handler_came_upon() -> None:
    calls: list[int] = []

    def handle(*_: object) -> None:
        with suppress(OSError):
            os.stat(HERE / "nothing")  # leaves another error number than that of the wait

    def play() -> float | None:
        calls.append(1)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        return 0.05 if len(calls) < 3 else None

    before = signal.signal(signal.SIGALRM, handle)
    try:
        run(Alarm().repeat(play))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(calls) == 3


def test_a_signal_is_heard_though_a_player_never_rests() -> None:
    """One that is all in C looks for no signals itself."""

    def handle(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(Alarm().repeat(cast(Any, partial(sum, ()))))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_player_may_put_another_in_its_place() -> None:
    calls: list[str] = []
    alarm = Alarm()

    class First:
        def __call__(self) -> float:
            alarm.play_due = last
            gc.collect()
            calls.append(type(self).__name__)
            return 0.0

    def last() -> None:
        calls.append("last")

    run(alarm.repeat(First()))
    assert calls == ["First", "last"]


def test_who_asks_for_no_number_is_not_called_all_the_time() -> None:
    calls: list[int] = []

    def play() -> float:
        calls.append(1)
        return math.nan

    async def main() -> None:
        playing = asyncio.ensure_future(Alarm().repeat(play))
        for _ in range(9):
            await asyncio.sleep(0)
        playing.cancel()

    run(main())
    assert calls == [1]


def test_nothing_is_left_of_players_that_have_ended_or_were_cancelled() -> None:
    async def main() -> None:
        for wait_s in (None, FOREVER_S):
            played = asyncio.Event()

            def play(wait_s: float | None = wait_s, played: asyncio.Event = played) -> float | None:
                played.set()
                return wait_s

            playing = asyncio.ensure_future(Alarm().repeat(play))
            await played.wait()
            playing.cancel()
            await asyncio.wait([playing])
        assert cast(Any, asyncio.get_running_loop()).readiness.alarms == ()

    run(main())


def test_two_players_that_want_no_rest_take_turns_and_let_others_have_theirs() -> None:
    calls: list[str] = []

    def player(name: str) -> PlayDue:
        def play() -> float | None:
            calls.append(name)
            return 0.0 if calls.count(name) < 3 else None

        return play

    async def main() -> None:
        playing = asyncio.gather(*(Alarm().repeat(player(name)) for name in "ab"))
        while not playing.done():
            calls.append("-")
            await asyncio.sleep(0)

    run(main())
    assert "".join(calls).strip("-").replace("--", "-") == "ab-ab-ab"


def test_an_alarm_that_is_rung_calls_the_player_at_once_and_only_once() -> None:
    calls: list[int] = []

    def play() -> float | None:
        calls.append(1)
        return FOREVER_S if len(calls) < 3 else None

    async def main() -> None:
        alarm = Alarm()
        alarm.ring()
        playing = asyncio.ensure_future(alarm.repeat(play))
        for expected in (1, 2):
            for _ in range(3):
                await asyncio.sleep(0)
            assert len(calls) == expected
            alarm.ring()
            alarm.ring()
        await playing
        alarm.ring()

    run(main())
    assert len(calls) == 3


def test_an_alarm_that_its_player_rings_calls_it_again_at_once() -> None:
    calls: list[int] = []
    alarm = Alarm()

    def play() -> float | None:
        calls.append(1)
        alarm.ring()
        return FOREVER_S if len(calls) < 3 else None

    async def main() -> None:
        async with asyncio.timeout(5):
            await alarm.repeat(play)

    run(main())
    assert len(calls) == 3


def test_what_a_player_raises_is_its_end() -> None:
    waits = [0.0]
    with pytest.raises(IndexError):
        run(Alarm().repeat(lambda: waits.pop()))


def test_a_player_that_asks_for_no_number_of_seconds_ends() -> None:
    wait_s: Any = "soon"
    with pytest.raises(TypeError):
        run(Alarm().repeat(lambda: wait_s))


def ended(play: Callable[[asyncio.Task[None]], float | None]) -> asyncio.Task[None]:
    """Give the task of a player that has ended, on a loop that goes on."""

    async def main() -> asyncio.Task[None]:
        playing = asyncio.ensure_future(Alarm().repeat(lambda: play(playing)))
        await asyncio.wait([playing])
        return playing

    return run(main())


def test_whatever_a_player_raises_ends_only_itself() -> None:
    def play(error: BaseException) -> float:
        raise error

    assert ended(lambda _: play(asyncio.CancelledError())).cancelled()
    assert isinstance(ended(lambda _: play(StopIteration())).exception(), RuntimeError)
    assert isinstance(ended(lambda _: play(GeneratorExit())).exception(), GeneratorExit)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_process_is_not_held_back(error: type[BaseException]) -> None:
    def play() -> float:
        raise error

    with pytest.raises(error):
        run(Alarm().repeat(play))


def test_a_player_may_cancel_its_own_task_and_be_at_its_end() -> None:
    def cancel(playing: asyncio.Task[None]) -> None:
        playing.cancel()

    assert ended(cancel).cancelled()


def test_a_player_that_is_cancelled_is_not_called_again() -> None:
    calls: list[int] = []

    def play() -> float:
        calls.append(1)
        return 0.0

    async def main() -> None:
        playing = asyncio.ensure_future(Alarm().repeat(play))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        before = len(calls)
        playing.cancel()
        await asyncio.wait([playing])
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(calls) == before
        assert playing.cancelled()

    run(main())


def test_another_loop_plays_no_source() -> None:
    with pytest.raises(TypeError, match=r"feed\.loop\.Loop"):
        asyncio.run(Alarm().repeat(lambda: None))


WITHOUT_EPOLL = """
import select, sys
del select.epoll
import selectors
assert not hasattr(selectors, "EpollSelector")
import pytest
sys.exit(pytest.main([*sys.argv[1:], "-q", "-n0", "-p", "no:cacheprovider", "-k", "not elsewhere"]))
"""
HERE = Path(__file__)
FILES = [str(HERE), str(HERE.with_name("test_loop.py"))]


def test_all_of_this_holds_elsewhere_where_there_is_no_epoll() -> None:
    """As on macOS: there is another selector, and nothing else to wait with."""
    command = [sys.executable, "-c", WITHOUT_EPOLL, *FILES]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_all_of_this_holds_elsewhere_where_nothing_is_compiled() -> None:
    pure = {**os.environ, "FEED_PURE_PYTHON": "1"}
    command = [sys.executable, "-m", "pytest", *FILES, "-q", "-n0", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "-k", "not elsewhere"], env=pure, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
