"""Each kind of bad row is found, named with its value, and left out if that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from feed.errors import TapeError
from feed.tape.checks import REASONS_KEPT, Findings, Skipped, numbers_of
from feed.tape.columns import Numbers, Texts
from feed.ticks import Tick

Read = Callable[..., list[Tick]]

QUOTES = ("ts_event,symbol,bid,bid_size,ask,ask_size", "1,A,1.5,3,1.6,4", "9,A,1.5,3,1.6,4")
TRADES = ("ts_event,symbol,price,size", "1,A,1.5,3", "9,A,1.5,3")
BARS = ("ts_event,symbol,interval,open,high,low,close,volume,vwap,trades",
        "1,A,1m,1,2,1,2,5,1.5,3", "9,A,1m,1,2,1,2,5,1.5,3")  # fmt: skip
STATUS = ("ts_event,symbol,status,reason", "1,A,halted,", "9,A,trading,news")

BAD = [
    (QUOTES, "5,A,nan,3,1.6,4", "bid must be a number above 0, was 'nan'"),
    (QUOTES, "5,A,inf,3,1.6,4", "bid must be a number above 0, was inf"),
    (QUOTES, "5,A,-1.5,3,1.6,4", "bid must be a number above 0, was -1.5"),
    (QUOTES, "5,A,0,3,1.6,4", "bid must be a number above 0, was 0.0"),
    (QUOTES, "5,A,,3,1.6,4", "bid is missing"),
    (QUOTES, "5,A,1.5,3,abc,4", "ask must be a number above 0, was 'abc'"),
    (QUOTES, "5,A,1.5,3,1_6,4", "ask must be a number above 0, was '1_6'"),
    (QUOTES, "5,A,1.5,-3,1.6,4", "bid_size must be a number of 0 or more, was -3"),
    (QUOTES, "5,A,1.5,3,1.6,nan", "ask_size must be a number of 0 or more, was 'nan'"),
    (QUOTES, "5,A,1.5,3,1.6,-inf", "ask_size must be a number of 0 or more, was -inf"),
    (QUOTES, "5,A,1.7,3,1.6,4", "bid 1.7 is above ask 1.6"),
    (QUOTES, "5,,1.5,3,1.6,4", "symbol is missing"),
    (QUOTES, "5,A B,1.5,3,1.6,4", "symbol must be 1 to 40 of .*, was 'A B'"),
    (QUOTES, f"5,{'A' * 41},1.5,3,1.6,4", "symbol must be 1 to 40 of .*, was 'AAAA"),
    (QUOTES, ",A,1.5,3,1.6,4", "time is missing"),
    (QUOTES, "noon,A,1.5,3,1.6,4", "time 'noon' is not understood; describe it with --time-fo"),
    (QUOTES, "0,A,1.5,3,1.6,4", "time goes backwards, from 1970-01-01T00:00:00.000000001Z to 19"),
    (TRADES, "5,A,0,3", "price must be a number above 0, was 0.0"),
    (TRADES, "5,A,1.5,-1", "size must be a number of 0 or more, was -1"),
    (BARS, "5,A,1m,1,2,3,2,5,1.5,3", "low 3.0 is above high 2.0"),
    (BARS, "5,A,1m,1,2,1,2,5,0,3", "vwap must be a number above 0, was 0.0"),
    (BARS, "5,A,1m,1,2,1,2,5,1.5,-3", "trades must be a number of 0 or more, was -3"),
    (BARS, "5,A,,1,2,1,2,5,1.5,3", "interval is missing"),
    (BARS, "5,A,1m,1,2,1,,5,1.5,3", "close is missing"),
    (STATUS, "5,A,,news", "status is missing"),
]


@pytest.mark.parametrize(("file", "row", "reason"), BAD)
def test_a_bad_row_is_an_error_with_row_reason_and_remedy(
    file: tuple[str, str, str], row: str, reason: str, read_csv: Read
) -> None:
    text = "\n".join((file[0], file[1], row, file[2]))
    with pytest.raises(TapeError, match=rf"tape\.csv, row 2: {reason}") as raised:
        read_csv(text)
    assert str(raised.value).endswith("; --bad-rows skip leaves it out")
    assert raised.value.row == 2


@pytest.mark.parametrize(("file", "row", "reason"), BAD)
def test_a_bad_row_is_left_out_if_that_is_asked_for(
    file: tuple[str, str, str], row: str, reason: str, read_csv: Read
) -> None:
    text = "\n".join((file[0], file[1], row, file[2]))
    good = "\n".join(file)
    assert read_csv(text, bad_rows="skip") == read_csv(good)


@pytest.mark.parametrize(
    ("file", "row"),
    [
        (QUOTES, "5,A,1.6,3,1.6,4"),
        (QUOTES, "5,A,1.5,,1.6,"),
        (QUOTES, "5,A,1.5,0,1.6,0"),
        (QUOTES, "1,A,1.5,3,1.6,4"),
        (TRADES, "5,A,1e-9,0.00031099999999999997"),
        (BARS, "5,A,1m,1,1,1,1,,,"),
    ],
)
def test_locked_unsized_tied_and_fractional_rows_are_good(
    file: tuple[str, str, str], row: str, read_csv: Read
) -> None:
    assert len(read_csv("\n".join((file[0], file[1], row, file[2])))) == 3


def test_a_column_of_another_name_is_named(read_csv: Read) -> None:
    with pytest.raises(TapeError, match=r"bid \(column BidPrice\) must be a number above 0"):
        read_csv("time,sym,BidPrice,AskPrice\n1609459200,A,-1,2\n")


def test_the_first_reason_found_for_a_row_is_told_and_only_the_first_rows_are_kept() -> None:
    findings, skipped = Findings(20), Skipped()
    findings.add(np.arange(20) % 2 == 1, lambda row: f"odd {row}")
    findings.add(np.arange(20) > 2, lambda row: f"late {row}")
    findings.settle(Path("f"), 101, "skip", skipped)
    assert skipped.count == 18
    assert skipped.reasons[:3] == ["f, row 102: odd 1", "f, row 104: odd 3", "f, row 105: late 4"]
    assert len(skipped.reasons) == REASONS_KEPT


def test_findings_on_some_rows_are_told_by_their_place_among_them() -> None:
    findings = Findings(6)
    findings.add_some(np.array([1, 4, 5]), np.array([False, True, False]), lambda i: f"at {i}")
    with pytest.raises(TapeError, match="f, row 5: at 1"):
        findings.settle(Path("f"), 1, "error", Skipped())


def test_numbers_are_read_from_text_as_python_reads_them() -> None:
    cells = np.array(["0.1", None, "x", "1_0", "2e3"], dtype=object)
    values, missing, junk = numbers_of(Texts(cells))
    assert values[[0, 4]].tolist() == [0.1, 2_000.0]
    assert missing.tolist() == [False, True, False, False, False]
    assert junk.tolist() == [False, True, True, True, False]
    plain, missing, junk = numbers_of(Numbers(np.array([1, 2])))
    assert plain.tolist() == [1, 2]
    assert not missing.any()
    assert not junk.any()
