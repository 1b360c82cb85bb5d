"""The simulated market keeps the rules of a real one, and is a function of its arguments alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from feed.protocol.codec import encode_ticks
from feed.sources.instruments import instrument
from feed.sources.market import MARKET_VOLATILITY, SPREAD_REFRESH, TRADE_SHARE, YEAR_NS, Market
from feed.ticks import Quote, Tick, Trade

ROOT = Path(__file__).resolve().parents[2]
START_NS = 1_767_623_400_000_000_000

NAMES = st.lists(
    st.sampled_from(["AAPL", "IBM", "BTC-USD", "EUR/USD", "USD/JPY", "S000", "S001", "odd.Name"]),
    min_size=1,
    unique=True,
)


def market(*symbols: str, rate: float = 1_000, seed: int = 1) -> Market:
    return Market(symbols, rate=rate, seed=seed, start_ns=START_NS)


def ticks(source: Market, count: int) -> list[Tick]:
    return [tick for block in source.first(count) for tick in block.ticks(0, len(block))]


def digest(seed: int = 7) -> str:
    found = ticks(market("AAPL", "S001", "BTC-USD", seed=seed), 20_000)
    return hashlib.sha256(b"".join(encode_ticks(found))).hexdigest()


class Quotes:
    """The quotes of one symbol over some blocks, as columns."""

    def __init__(self, source: Market, blocks: int, code: int = 0) -> None:
        parts = []
        for number, block in enumerate(islice(source.blocks(), blocks)):
            (part,) = (part for part in block.parts if part.kind is Quote)
            assert part.rows is not None
            own = part.codes == code
            columns = (part.columns["bid"][own], part.columns["ask"][own])
            parts.append((block.ts_event[part.rows[own]], *columns, np.full(own.sum(), number)))
        self.times, self.bid, self.ask, self.block = (
            np.concatenate(each) for each in zip(*parts, strict=True)
        )
        self.log_mid: NDArray[np.float64] = np.log((self.bid + self.ask) / 2)

    def at(self, grid: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the log mid-price in force at each time."""
        return self.log_mid[self.times.searchsorted(grid, "right") - 1]


@settings(max_examples=25, deadline=None)
@given(names=NAMES, rate=st.floats(1, 1e6), seed=st.integers(0, 2**63))
def test_every_tick_is_one_that_a_venue_could_send(
    names: list[str], rate: float, seed: int
) -> None:
    book: dict[str, Quote] = {}
    last_ns = START_NS
    for tick in ticks(market(*names, rate=rate, seed=seed), 17_000):
        assert tick.ts_event >= last_ns
        last_ns = tick.ts_event
        assert tick.symbol in names
        if isinstance(tick, Quote):
            check_quote(tick)
            book[tick.symbol] = tick
        else:
            assert isinstance(tick, Trade)
            check_trade(tick, book[tick.symbol])


def check_quote(quote: Quote) -> None:
    known = instrument(quote.symbol)
    assert 0 < quote.bid < quote.ask
    for price in (quote.bid, quote.ask):
        assert round(price * known.ticks_per_unit) / known.ticks_per_unit == price
    for size in (quote.bid_size, quote.ask_size):
        assert isinstance(size, int)
        assert size > 0
        assert size % known.lot == 0


def check_trade(trade: Trade, quote: Quote) -> None:
    """A trade is at the touch of the quote before it, of what is shown there at most."""
    assert trade.price in (quote.bid, quote.ask)
    shown = quote.bid_size if trade.price == quote.bid else quote.ask_size
    assert isinstance(trade.size, int)
    assert isinstance(shown, int)
    assert 0 < trade.size <= shown
    assert trade.size % instrument(trade.symbol).lot == 0


def test_the_first_tick_of_a_symbol_is_a_quote() -> None:
    names = [f"S{number:03}" for number in range(400)]
    first: dict[str, Tick] = {}
    for tick in ticks(market(*names), 10_000):
        first.setdefault(tick.symbol, tick)
    assert len(first) > 390
    assert all(isinstance(tick, Quote) for tick in first.values())


def test_prices_are_written_with_the_digits_of_their_tick_size() -> None:
    lines = encode_ticks(ticks(market("AAPL", "MSFT", "EUR/USD"), 20_000))
    longest = {"AAPL": 2, "MSFT": 2, "EUR/USD": 5}
    for line in lines:
        fields = dict(field.split(":", 1) for field in line.decode().strip("{}").split(","))
        digits = longest[fields['"symbol"'].strip('"')]
        for name in fields.keys() & {'"bid"', '"ask"', '"price"'}:
            assert len(fields[name].partition(".")[2]) <= digits


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert digest() == digest()


def test_another_process_gives_the_same_bytes() -> None:
    script = f"import runpy; print(runpy.run_path({__file__!r})['digest']())"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest()


def test_another_seed_gives_another_market() -> None:
    assert digest(seed=8) != digest(seed=7)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 9_000), min_size=1, max_size=6))
def test_how_the_stream_is_cut_does_not_change_it(cuts: list[int]) -> None:
    whole = ticks(market("AAPL", "MSFT"), 20_000)
    pieces: list[Tick] = []
    for block in market("AAPL", "MSFT").first(20_000):
        edges = [0, *(edge for edge in np.cumsum(cuts).tolist() if edge < len(block)), len(block)]
        for start, stop in pairwise(edges):
            pieces += block.slice(start, stop).ticks(0, stop - start)
    assert pieces == whole
    assert ticks(market("AAPL", "MSFT"), cuts[0]) == whole[: cuts[0]]


@pytest.mark.parametrize("count", [0, 1, 8_000, 8_192, 30_000])
def test_as_many_ticks_come_as_were_asked_for(count: int) -> None:
    assert sum(len(block) for block in market("AAPL").first(count)) == count


def test_no_block_is_empty_however_rare_ticks_are() -> None:
    assert all(len(block) for block in islice(market("AAPL", rate=0.0001).blocks(), 20))


def test_prices_move_as_much_as_the_volatility_says_within_blocks_and_between() -> None:
    quotes = Quotes(market("BTC-USD"), 150)
    known = instrument("BTC-USD")
    volatility = np.hypot(known.volatility, known.beta * MARKET_VOLATILITY)
    apart = np.diff(quotes.times) > 2_000_000  # nearer, the rounding to whole ticks shows
    elapsed = np.diff(quotes.times)[apart] / YEAR_NS
    moves = np.diff(quotes.log_mid)[apart] / (volatility * np.sqrt(elapsed))
    between = np.diff(quotes.block)[apart] > 0
    assert moves[~between].std() == pytest.approx(1, rel=0.02)
    everywhere = np.diff(quotes.block) > 0
    jumps = np.abs(np.diff(quotes.log_mid))[everywhere]
    assert jumps.max() < np.abs(np.diff(quotes.log_mid)[~everywhere]).max()


def test_symbols_move_together_as_the_single_index_model_says() -> None:
    pair = [instrument(name) for name in ("AAPL", "MSFT")]
    own = [one.beta * MARKET_VOLATILITY for one in pair]
    all_of_it = [np.hypot(part, one.volatility) for part, one in zip(own, pair, strict=True)]
    expected = np.prod(own) / np.prod(all_of_it)
    first, second = (Quotes(market("AAPL", "MSFT", rate=10), 60, code) for code in (0, 1))
    # Steps are long beside the time between quotes, else quotes out of step hide the correlation
    # (Epps, 1979, Comovements in stock prices in the very short run, J. Am. Stat. Assoc. 74).
    grid = first.times[100] + np.arange(1_500) * 30_000_000_000
    returns = np.diff(first.at(grid)), np.diff(second.at(grid))
    assert expected > 0.4
    assert np.corrcoef(returns[0], returns[1])[0, 1] == pytest.approx(expected, abs=0.06)


def test_the_spread_returns_to_its_mean() -> None:
    quotes = Quotes(market("IBM"), 40)
    spread = np.rint((quotes.ask - quotes.bid) * 100)
    assert spread.mean() == pytest.approx(instrument("IBM").spread, rel=0.02)
    for lag in (1, 5):
        correlation = np.corrcoef(spread[:-lag], spread[lag:])[0, 1]
        assert correlation == pytest.approx((1 - SPREAD_REFRESH) ** lag, abs=0.03)


def test_a_fifth_of_the_ticks_are_trades_half_of_them_at_the_ask() -> None:
    book: dict[str, Quote] = {}
    at_ask = trades = 0
    found = ticks(market("AAPL", "MSFT"), 50_000)
    for tick in found:
        if isinstance(tick, Quote):
            book[tick.symbol] = tick
        elif isinstance(tick, Trade):
            trades += 1
            at_ask += tick.price == book[tick.symbol].ask
    assert trades / len(found) == pytest.approx(TRADE_SHARE, abs=0.01)
    assert at_ask / trades == pytest.approx(0.5, abs=0.02)
