from __future__ import annotations

import ctypes
from collections.abc import Callable

import pytest

from feed.server import memory
from feed.server.memory import CROWD, Tidy


def test_the_heap_is_tidied_when_a_crowd_has_moved_and_then_not_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trims: list[bool] = []
    monkeypatch.setattr(memory, "trim", lambda: trims.append(True))
    tidy = Tidy()
    few, many = CROWD - 1, 3 * CROWD
    looks = [tidy.look(moves) for moves in (0, few, few, many, many, many, many + few, many + few)]
    assert looks == [False, False, False, False, True, False, False, False]
    assert len(trims) == 1


class Library:
    """A C library; only glibc's has `malloc_trim`."""

    def __init__(self, **calls: Callable[[int], int]) -> None:
        self.__dict__.update(calls)


def test_only_glibc_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []

    def malloc_trim(keep_bytes: int) -> int:
        kept.append(keep_bytes)
        return 1

    for library in (Library(), Library(malloc_trim=malloc_trim)):
        monkeypatch.setattr(ctypes, "CDLL", lambda _, found=library: found)
        memory.trim()
    assert kept == [0]


def test_the_library_of_this_machine_takes_the_call() -> None:
    memory.trim()
