"""`feed publish` sends files and pipes to a running feed, and tells what was not taken."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from feed.cli.main import main
from tests.integration.running import ANSWER_S, Feed, client, command, environment, serving

HEAD = "time,symbol,price,size\n"
ROWS = "2026-01-05T14:30:00Z,{0},1.5,1\n2026-01-05T14:30:01Z,{0},1.6,2\n"
LINE = '{{"type":"trade","symbol":"{0}","price":{1}}}\n'


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    folder = tmp_path_factory.mktemp("publish")
    options = ("--simulate", "AAA", "--rate", "1", "--anonymous-publish", "*")
    with serving(folder, *options) as running:
        yield running


def publish(feed: Feed, path: Path, *options: str) -> int:
    return main(["publish", str(path), "--url", feed.url, *options])


def trades(feed: Feed, symbol: str) -> int:
    """Give how many trades of a symbol the feed has had."""
    with client(feed) as own:
        own.subscribe(symbol, channels=["trades"])
        snapshot, _ = own.until("snapshot")
        return int(snapshot["seqs"]["trades"])


def piped(feed: Feed, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("publish", "-", "--url", feed.url),
        input=text,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=ANSWER_S * 2,
        check=False,
    )


def test_a_csv_tape_is_published(
    feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text(HEAD + ROWS.format("CSV"))
    assert publish(feed, path) == 0
    assert capsys.readouterr().out.startswith("published 2 ticks to ws://")
    assert trades(feed, "CSV") == 2


def test_other_names_of_columns_and_a_missing_symbol_can_be_told(
    feed: Feed, tmp_path: Path
) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text("when,paid\n05.01.2026 14:30:00,1.5\n")
    maps = ("--map", "price=paid", "--map", "ts_event=when", "--time-format", "%d.%m.%Y %H:%M:%S")
    assert publish(feed, path, "--symbol", "MAPPED", *maps) == 0
    assert trades(feed, "MAPPED") == 1


def test_a_parquet_tape_of_many_parts_is_published(
    feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "big.parquet"
    assert main(["simulate", "--out", str(path), "--ticks", "12000", "--symbols", "PQ"]) == 0
    assert publish(feed, path) == 0
    assert "published 12,000 ticks" in capsys.readouterr().out


def test_lines_that_are_no_ticks_are_told_and_the_others_are_taken(
    feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ticks.ndjson.gz"
    lines = [LINE.format("LINES", 1), "nonsense\n", LINE.format("LINES", "NaN")]
    lines += ["\n", LINE.format("LI NES", 1), LINE.format("LINES", 2).rstrip()]
    path.write_bytes(gzip.compress("".join(lines).encode()))
    assert publish(feed, path) == 1
    told = capsys.readouterr()
    assert "published 2 ticks" in told.out
    assert "3 rejected" in told.out
    assert [line.split(",")[0] for line in told.err.splitlines()] == [
        "feed: tick 2 was rejected: bad_json",
        "feed: tick 3 was rejected: bad_tick",
        "feed: tick 4 was rejected: bad_symbol",
    ]
    assert trades(feed, "LINES") == 2


def test_lines_are_sent_as_they_come(feed: Feed) -> None:
    with client(feed) as reader:
        reader.subscribe("PIPE", channels=["trades"], snapshot=False)
        process = subprocess.Popen(
            command("publish", "-", "--url", feed.url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        assert process.stdin is not None
        for price in (1.5, 2.5):
            process.stdin.write(LINE.format("PIPE", price))
            process.stdin.flush()
            assert reader.ticks(1)[0]["price"] == price
        out, _ = process.communicate(timeout=ANSWER_S)
        assert process.returncode == 0
        assert out.startswith("published 2 ticks")


def test_a_pipe_may_be_csv(feed: Feed) -> None:
    done = piped(feed, HEAD + ROWS.format("SPOOL"))
    assert (done.returncode, done.stderr) == (0, "")
    assert trades(feed, "SPOOL") == 2


def test_an_empty_pipe_is_no_error(feed: Feed) -> None:
    assert piped(feed, "").returncode == 0


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("nowhere.csv",), 1, "no such file"),
        (("nowhere.ndjson",), 1, "no such file"),
        (("ticks.txt",), 1, "no such file"),
        (("ticks.csv", "--map", "price"), 2, "must be NAME=COLUMN"),
        (("ticks.csv", "--url", "http://x"), 2, "url must be like ws://"),
        (("ticks.csv", "--url", "ws://127.0.0.1:1"), 1, "connection refused"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    options: tuple[str, ...],
    code: int,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ticks.csv").write_text(HEAD + ROWS.format("A"))
    assert main(["publish", *options]) == code
    told = capsys.readouterr().err
    assert text in told
    assert told.count("\n") == 1


def test_a_feed_that_takes_no_ticks_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ticks.csv"
    path.write_text(HEAD + ROWS.format("A"))
    with serving(tmp_path, "--simulate", "AAA", "--rate", "1") as closed:
        assert publish(closed, path) == 1
    assert capsys.readouterr().err == "feed: anonymous may not publish on this feed\n"
