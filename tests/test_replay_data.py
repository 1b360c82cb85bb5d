"""The shipped tapes are what their README says, and the synthetic one can be made again."""

from __future__ import annotations

import gzip
import hashlib
import re
import shlex
from pathlib import Path

import pytest

from feed.cli.main import main
from feed.tape.reader import open_tape
from feed.ticks import Bar, Quote, Trade

FOLDER = Path(__file__).resolve().parent.parent / "replay_data"
README = (FOLDER / "README.md").read_text()
TAPES = ("daily-bars.csv.gz", "synthetic-ticks.csv.gz")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", TAPES)
def test_the_readme_has_the_digests_of_file_and_content(name: str) -> None:
    packed = (FOLDER / name).read_bytes()
    section = README.split(f"## `{name}`")[1].split("\n## ")[0]
    assert sha256(packed) in section
    assert sha256(gzip.decompress(packed)) in section


def test_every_file_is_told_of_in_the_readme_and_all_are_small() -> None:
    names = {each.name for each in FOLDER.iterdir() if each.is_file()}
    assert names - {"README.md", "__init__.py"} == set(TAPES)
    assert sum(each.stat().st_size for each in FOLDER.iterdir() if each.is_file()) < 3_000_000


def test_the_readmes_command_makes_the_synthetic_tape_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "replay_data").mkdir()
    monkeypatch.chdir(tmp_path)
    found = re.search(r"^(?:\./run|feed) (simulate --out replay_data/.*)$", README, re.MULTILINE)
    assert found is not None
    assert main(shlex.split(found[1])) == 0
    # The content, as another zlib may pack the same bytes otherwise.
    made = gzip.decompress((tmp_path / "replay_data" / TAPES[1]).read_bytes())
    assert sha256(made) == sha256(gzip.decompress((FOLDER / TAPES[1]).read_bytes()))


def test_the_synthetic_tape_is_called_so_in_every_row() -> None:
    with gzip.open(FOLDER / TAPES[1], "rt") as text:
        assert next(text).endswith(",source\n")
        assert all(line.endswith(",synthetic\n") for line in text)


def test_the_synthetic_tape_is_lively_and_a_quarter_of_an_hour_long() -> None:
    tape = open_tape([FOLDER / TAPES[1]])
    ticks = [tick for block in tape.blocks() for tick in block.ticks(0, len(block))]
    assert len(ticks) == 96_000
    assert {type(tick) for tick in ticks} == {Quote, Trade}
    assert len({tick.symbol for tick in ticks}) == 8
    assert 14 * 60 < (ticks[-1].ts_event - ticks[0].ts_event) / 1e9 < 18 * 60


def test_the_daily_bars_are_of_five_shares() -> None:
    tape = open_tape([FOLDER / TAPES[0]])
    bars = [tick for block in tape.blocks() for tick in block.ticks(0, len(block))]
    assert len(bars) == 12_154
    assert all(isinstance(bar, Bar) and bar.interval == "1d" for bar in bars)
    assert {bar.symbol for bar in bars} == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
