from __future__ import annotations

import argparse
from typing import Any

import pytest

from feed.errors import SettingError
from locustfiles import options


def parsed(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    options.declare(parser, of_locust=False)
    return vars(parser.parse_args(arguments))


def test_without_options_everything_is_at_its_default() -> None:
    assert options.read(parsed()) == options.Options()


def test_options_are_taken() -> None:
    found = options.read(
        parsed("--universe", "1200", "--delivery", "latest", "--batch", "yes", "--max-p99-ms", "5")
    )
    assert (found.universe[0], found.universe[-1], len(found.universe)) == ("S0000", "S1199", 1200)
    assert (found.terms.delivery, found.batch, found.thresholds.max_p99_ms) == ("latest", True, 5.0)


def test_texts_of_the_web_page_are_taken() -> None:
    found = options.read(parsed() | {"max_gaps": "3", "min_ticks_per_s": "", "universe": "A, B"})
    assert (found.thresholds.max_gaps, found.thresholds.min_ticks_per_s) == (3, None)
    assert found.universe == ["A", "B"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("max_p99_ms", "soon", "--max-p99-ms must be a number from 0, was 'soon'"),
        ("max_p99_ms", "nan", "--max-p99-ms must be a number from 0, was 'nan'"),
        ("symbols_per_user", 0, "--symbols-per-user must be a whole number from 1, was 0"),
        (
            "channels",
            "quote",
            "--channels must be one of quotes, trades, bars, status, was 'quote'",
        ),
        ("batch", "1", "--batch must be one of no, yes, was '1'"),
    ],
)
def test_what_is_not_allowed_is_said(name: str, value: object, text: str) -> None:
    with pytest.raises(SettingError) as caught:
        options.read(parsed() | {name: value})
    assert str(caught.value) == text
