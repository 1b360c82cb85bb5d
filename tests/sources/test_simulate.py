"""The simulated source: same seed same ticks, none early, and settings that make sense."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from contextlib import suppress

import pytest

from feed.errors import SettingError
from feed.loop import run as play
from feed.sources.base import Source
from feed.sources.market import Market
from feed.sources.simulate import START_NS, Simulate, default_rate, parse_symbols
from feed.tape.slices import Slice
from feed.ticks import Tick
from tests.server.local import eventually
from tests.sources.repeating import repeating

NOW_NS = 1_800_000_000_000_000_000


class FakeTime:
    """A clock that moves only when somebody sleeps, and then half a millisecond too far."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def now_ns(self) -> int:
        return NOW_NS + int(self.passed_s * 1e9)

    def monotonic_s(self) -> float:
        return self.passed_s

    async def sleep(self, seconds: float) -> None:
        self.passed_s += seconds + 0.0005 if seconds else 0.0
        await asyncio.sleep(0)


def simulate(
    *symbols: str, rate: float = 1_000, seed: int | None = 1, start_ns: int | None = None
) -> tuple[Simulate, FakeTime]:
    time = FakeTime()
    source = Simulate(
        symbols, rate=rate, seed=seed, start_ns=start_ns, clock=time, repeat=repeating(time.sleep)
    )
    return source, time


def collect(source: Simulate, time: FakeTime, count: int) -> list[tuple[int, Tick]]:
    """Run the source until so many ticks are out, cancel it, and give each with its time."""
    found: list[tuple[int, Tick]] = []

    async def run() -> None:
        def publish(ticks: Slice) -> None:
            found.extend((time.now_ns(), tick) for tick in ticks)
            if len(found) >= count:
                running.cancel()

        running = asyncio.create_task(source.run(publish))
        await asyncio.wait([running])
        assert running.cancelled()

    asyncio.run(run())
    return found[:count]


def ticks(source: Simulate, time: FakeTime, count: int) -> list[Tick]:
    return [tick for _, tick in collect(source, time, count)]


def test_it_publishes_the_market_of_its_seed() -> None:
    market = Market(["AAPL", "IBM"], rate=1_000, seed=1, start_ns=START_NS)
    expected = [tick for block in market.first(20_000) for tick in block.ticks(0, len(block))]
    assert ticks(*simulate("AAPL", "IBM"), 20_000) == expected


def test_a_second_run_of_the_same_source_publishes_the_same() -> None:
    source, time = simulate("AAPL")
    assert ticks(source, time, 3_000) == ticks(source, time, 3_000)


def test_a_seeded_market_starts_where_it_is_told_or_at_a_fixed_instant() -> None:
    (fixed,) = ticks(*simulate("AAPL"), 1)
    (told,) = ticks(*simulate("AAPL", start_ns=0), 1)
    assert 0 <= fixed.ts_event - START_NS < 1e9
    assert told.ts_event == fixed.ts_event - START_NS


def test_without_a_seed_ticks_happen_now_and_none_is_out_before_it_happened() -> None:
    for rate in (2.0, 5_000.0):
        found = collect(*simulate("AAPL", "IBM", rate=rate, seed=None), 3_000)
        late_ns = [now_ns - tick.ts_event for now_ns, tick in found]
        # A float of seconds since the start is good to a few nanoseconds.
        assert min(late_ns) > -1_000
        assert max(late_ns) < 3_000_000


def test_without_a_seed_every_run_differs_and_logs_what_repeats_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "feed.sources.simulate")
    first, second = (ticks(*simulate("AAPL", seed=None), 100) for _ in range(2))
    assert [tick.ts_event for tick in first] != [tick.ts_event for tick in second]
    found = re.fullmatch(r"simulating 1 symbols at 1000 ticks/s, seed (\d+)", caplog.messages[0])
    assert found is not None
    assert ticks(*simulate("AAPL", seed=int(found[1]), start_ns=NOW_NS), 100) == first


def test_a_market_that_is_paused_stands_still_and_goes_on_at_another_speed() -> None:
    source, time = simulate("A", "B", rate=100)
    came: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        """Let hours of a pause pass, then go on ten times as fast, and after a while end."""
        if source.controls.paused:
            time.passed_s += 3600
            source.controls.play_at(10)
            source.controls.resume()
        elif len(came) >= 50 and source.controls.speed == 1:
            source.controls.pause()
        elif len(came) >= 500:
            raise asyncio.CancelledError
        else:
            await time.sleep(seconds)

    async def run() -> None:
        with suppress(asyncio.CancelledError):
            await source.run(
                lambda part: came.extend((time.passed_s, own.ts_event) for own in part)
            )

    source._repeat = repeating(sleep)
    asyncio.run(run())
    (began_s, first), (ended_s, last) = came[60], came[400]
    assert came[40][0] < 3600 < began_s
    assert (last - first) / 1e9 == pytest.approx(10 * (ended_s - began_s), rel=0.05)


def test_a_change_wakes_a_market_that_waits() -> None:
    source = Simulate(["A"], rate=1e-6, seed=1)
    came: list[int] = []

    async def main() -> None:
        running = asyncio.ensure_future(source.run(lambda part: came.append(len(part))))
        await eventually(lambda: 0 < source._alarm.due_s < math.inf)
        source.controls.step(1)
        await eventually(lambda: bool(came))
        running.cancel()
        await asyncio.wait([running])

    play(main())
    assert came == [1]


def test_blocks_follow_each_other_in_order_and_at_the_rate() -> None:
    found = ticks(*simulate("AAPL", rate=100_000), 400_000)
    times = [tick.ts_event for tick in found]
    assert times == sorted(times)
    assert (times[-1] - times[0]) / 1e9 == pytest.approx(4, rel=0.05)


def test_it_tells_what_it_is_and_how_far_it_has_come() -> None:
    source, time = simulate("AAPL", "IBM")
    as_source: Source = source
    assert as_source.symbols == frozenset({"AAPL", "IBM"})
    assert (as_source.name, as_source.state, source.total) == ("simulate", "live", None)
    assert (source.position.ts_event, source.position.ticks) == (None, 0)
    collect(source, time, 500)
    assert source.position.ticks >= 500
    assert (source.position.ts_event or 0) > START_NS
    assert source.state == "ended"


def test_the_default_rate_is_lively_and_has_a_limit() -> None:
    assert default_rate(1) == 20
    assert default_rate(100) == 2_000
    assert default_rate(100_000) == 10_000
    assert Simulate(["AAPL", "IBM"]).rate == 40


def test_a_number_of_symbols_makes_numbered_ones() -> None:
    assert parse_symbols("2") == ("S000", "S001")
    assert parse_symbols("500")[-1] == "S499"
    assert parse_symbols("1000")[-1] == "S999"
    assert parse_symbols("1001")[::1000] == ("S0000", "S1000")


def test_names_are_separated_by_commas() -> None:
    assert parse_symbols("AAPL,MSFT") == ("AAPL", "MSFT")
    assert parse_symbols("AAPL, BTC-USD") == ("AAPL", "BTC-USD")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "simulate must be 1 to 100,000 symbols, was 0"),
        ("100001", "simulate must be 1 to 100,000 symbols, was 100,001"),
        ("", "had ''"),
        ("9" * 5_000, "was 99,999,999,999,999,999,999"),
        ("A" * 5_000, "had 'AAAA"),
        ("AAPL,", "had ''"),
        ("A B", "had 'A B'"),
        ("-5", "had '-5'"),
        ("²", "had '²'"),
        ("AAPL,IBM,AAPL", "simulate must name each symbol once, had 'AAPL' twice"),
    ],
)
def test_other_symbols_are_refused(text: str, says: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_symbols(text)
    assert says in str(caught.value)
    assert caught.value.setting == "simulate"


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e7 + 1, math.inf, math.nan])
def test_a_rate_that_cannot_be_kept_is_refused(rate: float) -> None:
    with pytest.raises(SettingError, match="rate must be more than 0 and at most 10,000,000"):
        Simulate(["AAPL"], rate=rate)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(SettingError, match="seed must be 0 or more, was -1"):
        Simulate(["AAPL"], seed=-1)


def test_a_market_of_no_symbols_is_refused() -> None:
    with pytest.raises(SettingError, match="must name at least one symbol"):
        Simulate([])
