from __future__ import annotations

import os
from pathlib import Path

from feed.watched import Watched


def told(watched: Watched) -> list[bool]:
    return [watched.changed() for _ in range(3)]


def test_a_file_that_is_written_replaced_or_removed_is_told_once_when_it_has_settled(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("1")
    watched = Watched([path])
    assert told(watched) == [False, False, False]
    path.write_text("22")
    assert told(watched) == [False, True, False]
    other.write_text("33")
    os.replace(other, path)
    assert told(watched) == [False, True, False]
    path.unlink()
    assert told(watched) == [False, True, False]


def test_files_are_not_told_while_they_still_change(tmp_path: Path) -> None:
    certificate, key = tmp_path / "a", tmp_path / "b"
    watched = Watched([certificate, key])
    certificate.write_text("1")
    assert not watched.changed()
    key.write_text("1")
    assert not watched.changed()
    assert told(watched) == [True, False, False]
