"""Simulated ticks come in bursts, at the rate that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.sources.arrivals import BRANCHING, SLAB_MAX_NS, SLAB_TICKS, Arrivals
from feed.sources.scan import Codes, Ints


def arrivals(weights: list[float], rate: float, seed: int = 1) -> Arrivals:
    return Arrivals(np.array(weights), rate, np.random.Generator(np.random.PCG64(seed)))


def arrived(source: Arrivals, slabs: int) -> tuple[Ints, Codes]:
    """Give the ticks of several slabs on one time line."""
    found = [source.advance() for _ in range(slabs)]
    times = [slab_times + number * source.slab_ns for number, (slab_times, _) in enumerate(found)]
    return np.concatenate(times), np.concatenate([codes for _, codes in found])


def dispersion(times: Ints, window_ns: int) -> float:
    """Give the variance of counts over their mean: 1 for a Poisson process."""
    counts = np.bincount(times // window_ns)[:-1]
    return float(counts.var() / counts.mean())


@given(
    symbols=st.integers(1, 5),
    rate=st.floats(0.001, 1e6),
    seed=st.integers(0, 2**32),
)
def test_every_slab_is_in_order_and_within_its_time(symbols: int, rate: float, seed: int) -> None:
    source = arrivals([1.0] * symbols, rate, seed)
    for _ in range(2):
        times, codes = source.advance()
        assert len(times) == len(codes)
        assert (np.diff(times) >= 0).all()
        assert ((times >= 0) & (times < source.slab_ns)).all()
        assert (codes < symbols).all()


@pytest.mark.parametrize("rate", [10.0, 1_000.0, 300_000.0])
def test_the_rate_is_kept_from_the_start(rate: float) -> None:
    source = arrivals([1.0] * 20, rate)
    times, _ = arrived(source, 40)
    seconds = 40 * source.slab_ns / 1e9
    assert len(times) / seconds == pytest.approx(rate, rel=0.02)


def test_ticks_cluster_as_much_as_a_hawkes_process_does() -> None:
    times, _ = arrived(arrivals([1.0], 1_000), 60)
    # Over windows that are long beside a burst it tends to 1 / (1 - branching)^2 (Hawkes, 1971,
    # Spectra of some self-exciting and mutually exciting point processes, Biometrika 58).
    expected = 1 / (1 - BRANCHING) ** 2
    assert dispersion(times, 5_000_000_000) == pytest.approx(expected, rel=0.4)
    assert dispersion(times, 1_000_000_000) > 3


def test_a_burst_is_of_one_symbol() -> None:
    times, codes = arrived(arrivals([1.0, 1.0], 200), 20)
    width_ns = 1_000_000_000
    first, second = (np.bincount(times[codes == code] // width_ns)[:1_000] for code in (0, 1))
    assert dispersion(times[codes == 0], width_ns) > 3
    assert abs(np.corrcoef(first[:700], second[:700])[0, 1]) < 0.15


def test_symbols_tick_in_proportion_to_their_weights() -> None:
    _, codes = arrived(arrivals([1.0, 2.0, 5.0], 1_000), 40)
    shares = np.bincount(codes) / len(codes)
    assert shares == pytest.approx([0.125, 0.25, 0.625], abs=0.02)


def test_what_a_slab_causes_later_comes_in_later_slabs() -> None:
    # At this rate a slab is a sixth of a burst long: most of what is caused falls beyond it.
    times, _ = arrived(arrivals([1.0], 500_000), 60)
    assert len(times) == pytest.approx(60 * SLAB_TICKS, rel=0.05)


def test_a_rate_of_a_few_ticks_an_hour_has_short_slabs_nonetheless() -> None:
    source = arrivals([1.0], 0.001)
    assert source.slab_ns == SLAB_MAX_NS
    times, _ = arrived(source, 2_000)
    assert len(times) / (2_000 * 3_600) == pytest.approx(0.001, rel=0.1)


def test_more_symbols_than_16_bits_hold_are_told_apart() -> None:
    _, codes = arrived(arrivals([0.0] * 69_999 + [1.0], 10_000), 1)
    assert set(codes.tolist()) == {69_999}
