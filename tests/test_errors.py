from __future__ import annotations

from typing import Any

import pytest

from feed import errors
from feed.errors import (
    ConnectionFailed,
    FeedError,
    MessageError,
    MissingExtraError,
    SettingError,
    TapeError,
)

KINDS = [own for own in vars(errors).values() if isinstance(own, type)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_feed_error_with_a_code(kind: Any) -> None:
    assert issubclass(kind, FeedError)
    assert kind.code


def test_codes_tell_the_errors_apart() -> None:
    own_codes = [kind.__dict__["code"] for kind in KINDS if "code" in kind.__dict__]
    assert len(own_codes) == len(set(own_codes))


def test_a_bad_setting_is_named_first() -> None:
    error = SettingError("--port", "must be an integer")
    assert (str(error), error.setting) == ("--port must be an integer", "--port")


def test_a_missing_extra_says_how_to_get_it() -> None:
    error = MissingExtraError("tapes", "reading Parquet")
    assert str(error) == "reading Parquet needs the extra 'tapes': pip install 'feed[tapes]'"
    assert error.extra == "tapes"


def test_a_bad_row_is_named_with_its_file() -> None:
    error = TapeError("a.csv", "bid must be more than 0, was -1", row=3)
    assert str(error) == "a.csv, row 3: bid must be more than 0, was -1"
    assert (error.path, error.row, error.reason) == ("a.csv", 3, "bid must be more than 0, was -1")
    assert str(TapeError("a.csv", "is empty")) == "a.csv: is empty"


def test_a_bad_message_keeps_the_wires_code_and_the_id() -> None:
    error = MessageError("bad_message", "symbols must be a list", id=7)
    assert (error.code, error.id, str(error)) == ("bad_message", 7, "symbols must be a list")


def test_a_failed_connection_keeps_its_close_code() -> None:
    assert ConnectionFailed("refused").close_code is None
    assert ConnectionFailed("closed", close_code=4503).close_code == 4503
