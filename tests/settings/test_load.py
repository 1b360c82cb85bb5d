from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.errors import SettingError
from feed.settings import Settings, load

NS = 1_000_000_000
NAMES = [own.name for own in dataclasses.fields(Settings)]


def toml(folder: Path, content: str) -> str:
    path = folder / "feed.toml"
    path.write_text(content, encoding="utf-8")
    return str(path)


def refusal(flags: dict[str, Any], variables: dict[str, str], file: str | None = None) -> str:
    with pytest.raises(SettingError) as caught:
        load(flags, variables, file)
    return str(caught.value)


def test_a_flag_beats_a_variable_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    file = toml(tmp_path, "port = 3\nspeed = 3\nrate = 3\n")
    loaded = load({"port": "1"}, {"FEED_PORT": "2", "FEED_SPEED": "2"}, file)
    settings = loaded.settings
    assert (settings.port, settings.speed, settings.rate, settings.host) == (1, 2, 3, "127.0.0.1")
    assert loaded.of == {"port": "--port", "speed": "FEED_SPEED", "rate": file}


def test_without_anything_every_setting_is_its_default() -> None:
    assert load({}, {}).settings == Settings()


@pytest.mark.parametrize(
    ("name", "bad", "allowed"),
    [
        ("host", "", "a text that is not empty"),
        ("port", "http", "an integer from 0 to 65535"),
        ("port", "65536", "an integer from 0 to 65535"),
        ("port", "-1", "an integer from 0 to 65535"),
        ("port", "9" * 5000, "an integer from 0 to 65535"),
        ("replay", "", "a list of texts that are not empty"),
        ("speed", "-1", "a number from 0 to 1e+09 (0 means as fast as possible)"),
        ("speed", "nan", "a number from 0 to 1e+09"),
        ("speed", "inf", "a number from 0 to 1e+09"),
        ("loop", "maybe", "true or false"),
        ("start", "noon", "ISO 8601 or integer nanoseconds"),
        ("end", "2024-13-01", "ISO 8601 or integer nanoseconds"),
        ("map", "bid", "NAME=COLUMN, such as bid=BidPrice"),
        ("map", "=BidPrice", "NAME=COLUMN, such as bid=BidPrice"),
        ("bad_rows", "ignore", "one of error, skip"),
        ("rate", "0", "a number from 0.001 to 1e+07"),
        ("seed", "-1", "an integer from 0 to"),
        ("seed", "1.5", "an integer from 0 to"),
        ("outbox_limit_bytes", "1", "an integer from 65536 to"),
        ("log_level", "loud", "one of debug, info, warning, error"),
    ],
)
def test_a_bad_value_is_named_with_where_it_is_from_and_what_is_allowed(
    name: str, bad: str, allowed: str
) -> None:
    variable = f"FEED_{name.upper()}"
    told = refusal({}, {variable: bad})
    assert told.startswith(f"{variable} must be {allowed}")
    assert told.endswith(f", was {bad[:64]!r}")
    option = f"--{name.replace('_', '-')}"
    assert refusal({name: bad}, {}).startswith(f"{option} must be {allowed}")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port = '8080x'", "port must be an integer from 0 to 65535, was '8080x'"),
        ("port = true", "port must be an integer from 0 to 65535, was 'True'"),
        ("port = 80.0", "port must be an integer from 0 to 65535, was '80.0'"),
        ("speed = true", "speed must be a number from 0 to 1e+09"),
        (f"speed = 1{'0' * 400}", "speed must be a number from 0 to 1e+09"),
        ("loop = 1", "loop must be true or false, was '1'"),
        ("replay = 5", "replay must be a list of texts that are not empty, was '5'"),
        ("replay = ['a', 5]", "replay must be a list of texts that are not empty"),
        ("start = true", "start must be ISO 8601 or integer nanoseconds since 1970, was 'True'"),
        ("start = 10:00:00", "start must be ISO 8601 or integer nanoseconds since 1970"),
    ],
)
def test_a_bad_value_in_the_file_is_named_with_the_file(
    tmp_path: Path, line: str, told: str
) -> None:
    file = toml(tmp_path, line)
    assert refusal({}, {}, file).startswith(f"{file}: {told}")


def test_a_setting_that_does_not_exist_is_refused_in_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "prot = 8080")
    assert refusal({}, {}, file) == f"{file} has an unknown setting 'prot', see --show-settings"


@pytest.mark.parametrize(("content", "told"), [(b"port = ", "must be TOML"), (b"\xff", "TOML")])
def test_a_file_that_is_not_toml_is_refused_in_one_line(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "feed.toml"
    path.write_bytes(content)
    text = refusal({}, {}, str(path))
    assert text.startswith("--config ")
    assert told in text
    assert str(path) in text
    assert "\n" not in text


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    text = refusal({}, {}, str(tmp_path / "none.toml"))
    assert text == f"--config cannot be read: {tmp_path}/none.toml: No such file or directory"


def test_the_file_may_hold_lists_tables_and_times_of_its_own(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        "replay = ['a.csv', 'b,c.csv']\nstart = 2024-01-02\nend = 2024-01-02T00:00:01Z\n"
        "loop = true\nmap = {bid = 'BidPrice'}\n",
    )
    settings = load({}, {}, file).settings
    assert settings.replay == ("a.csv", "b,c.csv")
    assert settings.start == 1_704_153_600 * NS
    assert settings.end == 1_704_153_601 * NS
    assert settings.loop is True
    assert settings.map == (("bid", "BidPrice"),)


def test_a_variable_parts_a_list_by_commas_and_a_flag_does_not() -> None:
    assert load({}, {"FEED_REPLAY": "a,b"}).settings.replay == ("a", "b")
    assert load({"replay": ["a,b"]}, {}).settings.replay == ("a,b",)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()))
@pytest.mark.parametrize("name", NAMES)
def test_any_value_is_read_or_refused_in_one_line(name: str, value: object) -> None:
    try:
        load({name: value}, {})
    except SettingError as error:
        text = str(error)
        assert text.startswith(f"--{name.replace('_', '-')} must be ")
        assert "\n" not in text
        assert len(text) < 300
