"""`feed simulate` writes the tape it was asked for, repeats it, and refuses in one line."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from feed.cli.main import main
from feed.sources.market import Market
from feed.sources.simulate import DEFAULT_SYMBOLS, START_NS
from feed.tape.reader import open_tape
from feed.ticks import Tick


def read(path: Path) -> list[Tick]:
    return [tick for block in open_tape([path]).blocks() for tick in block.ticks(0, len(block))]


def simulate(path: Path, *options: str) -> list[Tick]:
    assert main(["simulate", "--out", str(path), *options]) == 0
    return read(path)


def test_the_tape_is_the_market_of_its_options(tmp_path: Path) -> None:
    options = ("--ticks", "9000", "--symbols", "AAPL,S001", "--rate", "50", "--seed", "7")
    market = Market(("AAPL", "S001"), rate=50, seed=7, start_ns=START_NS)
    expected = [tick for block in market.first(9_000) for tick in block.ticks(0, len(block))]
    assert simulate(tmp_path / "tape.csv", *options) == expected


def test_a_number_of_symbols_is_enough(tmp_path: Path) -> None:
    found = simulate(tmp_path / "tape.csv", "--ticks", "5000", "--symbols", "12")
    assert {tick.symbol for tick in found} == {f"S{number:03}" for number in range(12)}


def test_without_options_it_is_a_market_of_well_known_names(tmp_path: Path) -> None:
    found = simulate(tmp_path / "tape.parquet")
    assert len(found) == 100_000
    assert {tick.symbol for tick in found} == set(DEFAULT_SYMBOLS)


@pytest.mark.parametrize("start", ["2024-02-29T09:30:00Z", "2024-02-29T10:30:00+01:00"])
def test_it_starts_when_told(tmp_path: Path, start: str) -> None:
    found = simulate(tmp_path / "tape.csv", "--ticks", "10", "--start", start)
    assert 0 <= found[0].ts_event - 1_709_199_000_000_000_000 < 1e9


def test_it_says_what_it_wrote_and_the_seed_that_repeats_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = simulate(tmp_path / "tape.csv", "--ticks", "1000")
    out, err = capsys.readouterr()
    assert err == ""
    assert f"wrote 1,000 ticks of 8 symbols to {tmp_path / 'tape.csv'}, 2026-01-05 14:30:00" in out
    found = re.search(r"seed (\d+)$", out.strip())
    assert found is not None
    again = simulate(tmp_path / "again.csv", "--ticks", "1000", "--seed", found[1])
    assert again == first
    assert simulate(tmp_path / "other.csv", "--ticks", "1000") != first


def test_the_tape_says_that_it_is_synthetic(tmp_path: Path) -> None:
    simulate(tmp_path / "tape.csv", "--ticks", "3")
    assert [line.split(",")[-1] for line in (tmp_path / "tape.csv").read_text().splitlines()] == [
        "source",
        *["synthetic"] * 3,
    ]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--ticks", "0"], 2, "--ticks must be an integer from 1 to 1000000000000, was '0'"),
        (["--ticks", "many"], 2, "--ticks must be an integer"),
        (["--rate", "0"], 2, "--rate must be a number from 0.001"),
        (["--rate", "nan"], 2, "--rate must be a number from 0.001"),
        (["--seed", "-1"], 2, "--seed must be an integer from 0"),
        (["--symbols", "A B"], 2, "simulate must be a number of symbols or names"),
        (["--start", "soon"], 2, "--start must be ISO 8601"),
        (["--start", "1066-10-14"], 2, "--start must be such that the tape lies in the years 1970"),
        (["--ticks", "1000000000000", "--rate", "1"], 2, "in the years 1970 to 2199"),
        (["--out", "tape.txt"], 1, "tape.txt: is no name for a tape: must end in .csv"),
        (["--out", "no/tape.csv"], 1, "no/tape.csv: cannot be written: no such file or directory"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "--out", "tape.csv", *options]) == code
    out, err = capsys.readouterr()
    assert err.startswith(f"feed: {says}") or says in err
    assert (out, err.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_shows_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    simulate(tmp_path / "tape.csv", "--ticks", "20000")
    assert "20000/20000" in terminal.getvalue()


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["simulate", "--help"])
    assert caught.value.code == 0
    assert "feed simulate --out big.parquet --ticks 20000000" in capsys.readouterr().out
