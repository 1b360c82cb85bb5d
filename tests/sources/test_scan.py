"""What lies between the draws of the simulated market is the same in numpy and in C."""

from __future__ import annotations

import gc
import hashlib
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feed.sources import scan
from feed.sources.market import Market
from feed.sources.scan import QuoteDraws, Rows, Standing, Terms, TradeDraws
from feed.tape.block import TickBlock

Functions = dict[str, Callable[..., Any]]

IN_PYTHON: Functions = {each.__name__: each for each in scan.IN_PYTHON}
USED: Functions = {name: getattr(scan, name) for name in IN_PYTHON}
both = pytest.mark.parametrize("own", [IN_PYTHON] + ([USED] if scan.IN_C else []))
compiled = pytest.mark.skipif(not scan.IN_C, reason="needs the compiled module")


def blocks(own: Functions, symbols: int, rate: float, seed: int, count: int) -> list[TickBlock]:
    with pytest.MonkeyPatch.context() as patched:
        for name, function in own.items():
            patched.setattr(scan, name, function)
        names = [f"S{number:03}" for number in range(symbols)]
        market = Market(names, rate=rate, seed=seed, start_ns=10**18)
        return list(islice(market.blocks(), count))


def as_bytes(block: TickBlock) -> Iterator[bytes]:
    yield block.ts_event.tobytes()
    for part in block.parts:
        assert part.rows is not None
        yield part.kind.__name__.encode()
        yield part.rows.tobytes()
        yield part.codes.tobytes()
        for name, values in part.columns.items():
            yield f"{name} {values.dtype}".encode()
            yield values.tobytes()


@both
@pytest.mark.parametrize(
    ("symbols", "rate", "digest"),
    [
        (500, 500_000, "dd80962c2cf14e34"),
        (100, 2_500, "7a3b0af181b0ddb7"),
        (3, 1, "263ace495af9ea3d"),
        (70_000, 1_000_000, "d3f1180607cdf33e"),
    ],
)
def test_a_seed_gives_the_bytes_that_it_always_gave(
    own: Functions, symbols: int, rate: float, digest: str
) -> None:
    found = hashlib.sha256()
    for block in blocks(own, symbols, rate, 5, 6):
        for piece in as_bytes(block):
            found.update(piece)
    assert found.hexdigest()[:16] == digest


@compiled
@settings(max_examples=60, deadline=None)
@given(
    symbols=st.sampled_from([1, 2, 3, 16, 100, 500, 5_000]),
    rate=st.sampled_from([0.001, 0.1, 3, 160, 2_000, 50_000, 1e6, 1e7]),
    seed=st.integers(0, 2**64),
)
def test_numpy_and_c_give_the_same_bytes(symbols: int, rate: float, seed: int) -> None:
    pairs = zip(*(blocks(own, symbols, rate, seed, 4) for own in (IN_PYTHON, USED)), strict=True)
    for one, other in pairs:
        assert b"".join(as_bytes(one)) == b"".join(as_bytes(other))


HALVES = st.integers(-(10**6), 10**6).map(lambda number: number + 0.5)
GREAT = st.sampled_from([2.0**51 - 0.5, 2.0**51, 2.0**51 + 0.5, 2.0**52 - 0.5, 2.0**53 + 2, 1e18])


@both
@given(steps=st.lists(st.one_of(HALVES, GREAT, GREAT.map(lambda x: -x), st.floats(-1e17, 1e17))))
def test_steps_are_rounded_half_to_even(own: Functions, steps: list[float]) -> None:
    times = np.arange(1, len(steps) + 1)
    found = own["levels"](times, np.array(steps, float), 1.0, 0, 7)
    assert np.array_equal(np.diff(found, prepend=7), np.rint(steps).astype(np.int64))


@both
@example(keys=[49, 2_400, 2_401], symbols=49, start=0)  # 49 × (1 / 49) is less than 1
@given(
    keys=st.lists(st.integers(-(10**12), 4 * 10**17), max_size=20),
    symbols=st.one_of(st.integers(1, 9), st.integers(1, 100_000)),
    start=st.integers(0, 2 * 10**18),
)
def test_a_key_is_its_time_and_its_symbol(
    own: Functions, keys: list[int], symbols: int, start: int
) -> None:
    keys = [key for key in keys if key // symbols < 2**52]
    times, codes = own["times_and_codes"](np.array(keys, np.int64), symbols, start)
    assert times.tolist() == [start + key // symbols for key in keys]
    assert codes.tolist() == [key % symbols for key in keys]
    assert codes.dtype == np.int32


def arguments() -> dict[str, list[Any]]:
    """Give what each function may be called with: a block of six ticks of three symbols."""
    codes = np.array([0, 1, 1, 2, 1, 0], np.int32)
    standing = Standing._make(np.array([5, 9, 0]) for _ in range(6))
    floats = [np.array([1.0, 2.0, 3.0]) for _ in range(4)]
    terms = Terms._make([*floats, np.full(3, 100), np.full(3, 10)])
    quotes = Rows(np.array([1, 2, 3]), codes[1:4], np.array([0, 1, 2]))
    trades = Rows(np.array([0, 4, 5]), codes[[0, 4, 5]], np.array([0, 2, 1]))
    third = np.array([0.1, 0.5, 0.9])
    times = np.arange(10, 16)
    return {
        "causes": [third * 2, 10.0, third, np.array([0.2, 0.6, 1.0]), np.array([0, 1, 1, 2])],
        "cut": [np.array([5, 20, 8]), 10],
        "offspring": [np.array([5, 7]), third, third * 3, 10.0, 3, 40],
        "times_and_codes": [np.array([5, 20, 80]), 3, 1_000],
        "levels": [times, np.ones(6), 2.0, 9, 77],
        "split": [codes, np.linspace(0, 1, 6), 0.2, np.array([5, 0, 0])],
        "logs": [quotes, times, times * 7, third, terms, standing],
        "columns": [
            quotes,
            trades,
            QuoteDraws._make([*(third + each for each in range(5)), 0.6, 2.0]),
            TradeDraws(third, third, 2.0),
            terms,
            standing,
        ],
    }


NAMES = sorted(IN_PYTHON)
Place = tuple[int, ...]


def arrays(of: Any, place: Place = ()) -> Iterator[tuple[Place, np.ndarray]]:
    for number, each in enumerate(of):
        if isinstance(each, np.ndarray):
            yield (*place, number), each
        elif isinstance(each, tuple):
            yield from arrays(each, (*place, number))


def replaced(of: Any, place: Place, by: Any) -> Any:
    values = list(of)
    values[place[0]] = replaced(of[place[0]], place[1:], by) if place[1:] else by
    return type(of)(*values) if hasattr(of, "_fields") else values


@both
@pytest.mark.parametrize("name", NAMES)
def test_the_examples_are_taken_and_both_make_the_same_of_them(own: Functions, name: str) -> None:
    used, expected = arguments()[name], arguments()[name]
    found, wanted = own[name](*used), IN_PYTHON[name](*expected)
    assert [each.tolist() for each in found] == [each.tolist() for each in wanted]
    after, known = ([values.tolist() for _, values in arrays(of)] for of in (used, expected))
    assert after == known


def unaligned(values: np.ndarray) -> Any:
    room: Any = memoryview(bytearray(values.nbytes + 1))[1:]
    room[:] = values.tobytes()
    return room.cast({"float64": "d", "int64": "q", "int32": "i"}[str(values.dtype)])


BROKEN: dict[str, Callable[[np.ndarray], Any]] = {
    "none": lambda values: None,
    "a list": lambda values: values.tolist(),
    "bytes": lambda values: values.tobytes(),
    "narrow": lambda values: values.astype(np.int16),
    "of another kind": lambda values: values.astype("f8" if values.dtype.kind == "i" else "i8"),
    "unsigned": lambda values: values.astype("u8"),
    "the other way round": lambda values: values.astype(values.dtype.newbyteorder()),
    "of two dimensions": lambda values: values.reshape(1, -1),
    "with gaps": lambda values: np.repeat(values, 2)[::2],
    "unaligned": unaligned,
}


@compiled
@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", NAMES)
def test_other_columns_are_refused(name: str, broken: str) -> None:
    given = arguments()[name]
    for place, values in arrays(given):
        with pytest.raises((TypeError, ValueError, BufferError)):
            USED[name](*replaced(given, place, BROKEN[broken](values)))


FREE = {
    ("causes", (3,)),
    ("causes", (4,)),
    ("cut", (0,)),
    ("offspring", (0,)),
    ("times_and_codes", (0,)),
}
"""Columns that may have any length."""


@compiled
@pytest.mark.parametrize(
    "change", [lambda values: values[:-1], lambda values: np.append(values, values[:1])]
)
@pytest.mark.parametrize("name", NAMES)
def test_other_lengths_are_refused(name: str, change: Callable[[np.ndarray], Any]) -> None:
    given = arguments()[name]
    for place, values in arrays(given):
        longer_bids = name == "split" and place == (3,) and len(change(values)) > len(values)
        if (name, place) not in FREE and not longer_bids:
            with pytest.raises(ValueError, match=r"rows, had|out of range"):
                USED[name](*replaced(given, place, change(values)))


@compiled
def test_what_is_moved_must_be_writable() -> None:
    for name in ("logs", "columns"):
        given = arguments()[name]
        for number in range(len(Standing._fields)):
            given[-1][number].flags.writeable = False
            with pytest.raises((ValueError, BufferError), match="read-only"):
                USED[name](*given)
            given[-1][number].flags.writeable = True


OUT_OF_RANGE: list[tuple[str, Place, int, Any]] = [
    *(("causes", (2,), 1, pick) for pick in (1.0, -0.3, float("nan"), float("inf"), 1e300)),
    *(("causes", (4,), 2, code) for code in (-1, 3, 2**62)),
    ("causes", (3,), 2, 0.9),
    *(("offspring", (1,), 1, pick) for pick in (1.0, -0.6, float("nan"), 1e300)),
    ("times_and_codes", (0,), 1, 2**62),
    ("levels", (0,), 1, 3),
    *(("split", (0,), 1, code) for code in (-1, 3, 2**31 - 1)),
    *(("logs", (0, 0), 1, row) for row in (-1, 6, 2**62)),
    *(("logs", (0, 1), 1, code) for code in (-1, 3, 2**31 - 1)),
    *(("logs", (0, 2), 1, place) for place in (-1, 3, 2**62)),
    ("logs", (5, 5), 1, 1_000),
    *(("columns", (part, 1), 1, code) for part in (0, 1) for code in (-1, 3, 2**31 - 1)),
    *(("columns", (part, 2), 1, place) for part in (0, 1) for place in (-1, 3, 2**62)),
    ("columns", (0, 0), 2, 2**63 - 1),
]


def at(of: Any, place: Place) -> Any:
    return at(of[place[0]], place[1:]) if place else of


@compiled
@pytest.mark.parametrize(("name", "place", "row", "value"), OUT_OF_RANGE)
def test_what_is_out_of_range_is_refused(name: str, place: Place, row: int, value: Any) -> None:
    given = arguments()[name]
    at(given, place)[row] = value
    with pytest.raises(ValueError, match=r"must|out of range"):
        USED[name](*given)


@compiled
@pytest.mark.parametrize("symbols", [0, -1, 2**31])
def test_there_must_be_as_many_symbols_as_codes_hold(symbols: int) -> None:
    with pytest.raises(ValueError, match="1 symbol"):
        USED["times_and_codes"](np.array([1]), symbols, 0)


@compiled
@pytest.mark.parametrize("name", NAMES)
def test_no_call_leaves_memory_behind_not_even_one_that_fails(name: str) -> None:
    given = arguments()[name]
    place, values = list(arrays(given))[-1]
    broken = replaced(given, place, values[:, None])

    def calls(count: int) -> None:
        for _ in range(count):
            for (_, used), (_, fresh) in zip(arrays(given), arrays(arguments()[name]), strict=True):
                used[...] = fresh
            USED[name](*given)
            with suppress(TypeError):
                USED[name](*broken)

    calls(20)
    references = [sys.getrefcount(values) for _, values in arrays(given)]
    tracemalloc.start()
    calls(200)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 10_000
    assert [sys.getrefcount(values) for _, values in arrays(given)] == references


@compiled
def test_ticks_without_any_quote_or_any_trade_are_no_trouble() -> None:
    no_rows = Rows(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
    nothing = np.empty(0)
    for emptied, draws in (
        (0, QuoteDraws._make([*[nothing] * 5, 0.6, 2.0])),
        (1, TradeDraws(nothing, nothing, 2.0)),
    ):
        found = []
        for own in (IN_PYTHON, USED):
            given = arguments()["columns"]
            given[emptied], given[emptied + 2] = no_rows, draws
            found.append([values.tolist() for values in own["columns"](*given)])
        assert found[0] == found[1]
