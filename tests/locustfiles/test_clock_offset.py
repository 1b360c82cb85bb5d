from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from locustfiles.clock_offset import SAMPLES, ClockOffset

WAYS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=99)


@given(st.integers(-(10**12), 10**12), WAYS)
def test_the_true_offset_is_always_within_the_bounds(
    offset_ns: int, ways: list[tuple[int, int]]
) -> None:
    found, now_ns = ClockOffset(), 10**15
    for there_ns, back_ns in ways:
        found.pong(now_ns, now_ns + there_ns + offset_ns, now_ns + there_ns + back_ns)
        now_ns += 10**9
    assert found.low_ns <= offset_ns <= found.high_ns


def test_a_server_that_answers_late_is_not_a_clock_that_is_late() -> None:
    found = ClockOffset()
    found.pong(1_000, 1_100, 500_001_100)
    assert found.correction_ns == 0
    assert str(found).startswith("none proven: ")


def test_an_offset_that_is_proven_is_corrected() -> None:
    found = ClockOffset()
    found.pong(0, 7_000_000, 2_000_000)
    assert found.correction_ns == 6_000_000
    assert str(found) == "between +5.000 and +7.000 ms, corrected by +6.000 ms"


def test_a_clock_that_was_set_begins_anew() -> None:
    found = ClockOffset()
    for sent_ns in range(0, SAMPLES * 10, 10):
        found.pong(sent_ns, sent_ns + 1, sent_ns + 2)
    found.pong(10_000, 1_000_010_001, 10_002)
    assert (found.low_ns, found.high_ns) == (999_999_999 + 0, 1_000_000_001)


def test_nothing_is_known_before_the_first_pong() -> None:
    assert str(ClockOffset()) == "not known: no pong came"
