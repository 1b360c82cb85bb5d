from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from feed.cli.main import main, parser
from feed.cli.serve import announce, markdown
from feed.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FEED_")]:
        monkeypatch.delenv(name)


def served(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["serve", *argv])
    out, err = capsys.readouterr()
    return code, out, err


def flags(*argv: str) -> dict[str, Any]:
    return vars(parser().parse_args(["serve", *argv]))


def test_the_settings_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "SETTINGS.md").read_text(encoding="utf-8")
    told = "outdated: feed serve --show-settings=markdown > docs/SETTINGS.md"
    assert page == markdown() + "\n", told


def test_the_settings_page_has_a_row_for_every_setting() -> None:
    rows = [row for row in markdown().splitlines() if row.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [own.name for own in fields(Settings)]
    assert all(row.replace(r"\|", "").count("|") == 6 for row in rows)


@pytest.mark.parametrize("own", fields(Settings), ids=lambda own: own.name)
def test_every_setting_is_a_flag_that_is_unset_by_default(own: Any) -> None:
    assert flags()[own.name] is None


def test_flags_become_settings() -> None:
    argv = ["--port", "0", "--loop", "--replay", "a", "--replay", "b", "--map", "bid=B"]
    settings = load(flags(*argv), {}).settings
    assert (settings.port, settings.loop, settings.replay) == (0, True, ("a", "b"))
    assert settings.map == (("bid", "B"),)


def test_simulate_alone_means_a_hundred_symbols() -> None:
    assert flags("--simulate")["simulate"] == "100"
    assert flags("--simulate", "A,B")["simulate"] == "A,B"


def test_show_settings_tells_each_value_and_its_origin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "feed.toml"
    file.write_text("speed = 2.5\nport = 1\n")
    monkeypatch.setenv("FEED_SPEED", "3")
    monkeypatch.setenv("FEED_LOOP", "yes")
    argv = ("--config", str(file), "--host", "0.0.0.0", "--map", "bid=B", "--show-settings")
    code, out, err = served(capsys, *argv)
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert list(lines) == [own.name for own in fields(Settings)]
    assert lines["host"] == ["0.0.0.0", "--host"]
    assert lines["speed"] == ["3", "FEED_SPEED"]
    assert lines["loop"] == ["true", "FEED_LOOP"]
    assert lines["port"] == ["1", str(file)]
    assert lines["map"] == ["bid=B", "--map"]
    assert lines["heartbeat_interval_s"] == ["5", "default"]
    assert lines["replay"] == ["default"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--port", "http"], "--port must be an integer from 0 to 65535, was 'http'"),
        (["--speed", "-1"], "--speed must be a number from 0 to 1e+09 (0 means as fast as"),
        (["--replay", ""], "--replay must be a list of texts that are not empty, was"),
        (["--map", "bid"], "--map must be NAME=COLUMN, such as bid=BidPrice, was"),
        (["--bad-rows", "drop"], "--bad-rows must be one of error, skip, was 'drop'"),
        (["--simulate", "A B"], "simulate must be a number of symbols or names"),
        (["--symbol", "é", "--replay", "x.csv"], "symbol must be "),
        (["--time-zone", "Mars", "--replay", "x.csv"], "time_zone must be "),
        (["--config", "/nonexistent.toml"], "--config cannot be read: /nonexistent.toml: No such"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], argv: list[str], told: str
) -> None:
    code, out, err = served(capsys, "--port", "0", *argv)
    assert (code, out) == (2, "")
    assert err.startswith(f"feed: {told}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "."])
def test_a_tape_that_is_not_there_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    code, out, err = served(capsys, "--port", "0", "--replay", str(tmp_path / name))
    assert (code, out) == (1, "")
    assert err.startswith(f"feed: {tmp_path / name}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [("broken.parquet", b"PAR1garbage"), ("broken.csv.gz", b"\x1f\x8bnot gzip"), ("a.csv", b"")],
)
def test_a_tape_that_cannot_be_read_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    code, out, err = served(capsys, "--port", "0", "--replay", str(tmp_path / name))
    assert (code, out) == (1, "")
    assert err.startswith(f"feed: {tmp_path / name}: ")
    assert err.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_a_tape_that_may_not_be_read_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "secret.csv"
    path.touch(mode=0)
    code, _, err = served(capsys, "--port", "0", "--replay", str(path))
    assert code == 1
    assert err.startswith(f"feed: {path}: ")


def test_an_address_that_cannot_be_had_is_one_line_and_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = served(capsys, "--host", "..", "--insecure", "--port", "0", "--simulate", "A")
    assert (code, out) == (1, "")
    assert err.startswith("feed: cannot listen on ..:0: ")
    assert err.count("\n") == 1


def test_the_address_is_told_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    announce("127.0.0.1:8080")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "feed is serving http://127.0.0.1:8080/ (stream ws://127.0.0.1:8080/v1/stream)"
    assert "feed tail" in second
