from __future__ import annotations

import dataclasses

import pytest

from feed.settings import Settings
from feed.settings.declared import groups

NAMES = [own.name for own in dataclasses.fields(Settings)]


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_says_what_it_does_and_takes_its_own_default(name: str) -> None:
    own = next(own for own in dataclasses.fields(Settings) if own.name == name)
    assert own.metadata["help"]
    if own.default not in (None, ()):
        assert own.metadata["parse"](own.default) == own.default
        written = ",".join(own.default) if isinstance(own.default, tuple) else str(own.default)
        assert own.metadata["parse"](written) == own.default


def test_every_setting_is_in_one_group_and_every_group_has_a_heading() -> None:
    assert [own.name for _, settings in groups() for own in settings] == NAMES
    assert all(heading and settings for heading, settings in groups())
