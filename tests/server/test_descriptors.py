from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from feed.server import descriptors
from feed.server.descriptors import ENOUGH, MACOS_MOST, RESERVE

Pair = tuple[int, int]


class FakeLimit:
    """The kernel's limit, which refuses more than `most`."""

    def __init__(self, soft: int, hard: int, most: int = 1 << 40) -> None:
        self.pair = (soft, hard)
        self.most = most

    def get(self, _which: int) -> Pair:
        return self.pair

    def set(self, _which: int, pair: Pair) -> None:
        if pair[0] > self.most or pair[0] < 0:
            raise ValueError("not allowed to raise maximum limit")
        self.pair = pair


def limited(monkeypatch: pytest.MonkeyPatch, limit: FakeLimit) -> None:
    monkeypatch.setattr(resource, "getrlimit", limit.get)
    monkeypatch.setattr(resource, "setrlimit", limit.set)


@pytest.mark.parametrize(
    ("limit", "raised"),
    [
        (FakeLimit(1024, 20_000), 20_000),
        (FakeLimit(1024, 1024), 1024),
        (FakeLimit(1024, resource.RLIM_INFINITY), ENOUGH),
        (FakeLimit(256, resource.RLIM_INFINITY, most=MACOS_MOST), MACOS_MOST),
        (FakeLimit(1024, 1 << 30), ENOUGH),
        (FakeLimit(1024, 20_000, most=1024), 1024),
        (FakeLimit(resource.RLIM_INFINITY, resource.RLIM_INFINITY), ENOUGH),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_it_goes(
    monkeypatch: pytest.MonkeyPatch, limit: FakeLimit, raised: int
) -> None:
    hard = limit.pair[1]
    limited(monkeypatch, limit)
    assert descriptors.raise_limit() == raised == descriptors.limit()
    assert limit.pair[1] == hard


@pytest.mark.parametrize(
    ("allowed", "sessions"), [(8, 1), (64, 64 - RESERVE), (1024, 973), (20_000, 19_000)]
)
def test_some_descriptors_are_kept_from_sessions(allowed: int, sessions: int) -> None:
    assert descriptors.for_sessions(allowed) == sessions


@pytest.fixture
def pipe() -> Iterator[Pair]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_the_next_number_is_the_one_that_is_given_next(pipe: Pair) -> None:
    told = descriptors.next_number(pipe[0])
    assert descriptors.next_number(pipe[0]) == told, "asking takes none"
    taken = os.dup(pipe[0])
    os.close(taken)
    assert taken == told
