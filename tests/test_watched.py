from __future__ import annotations

import os
from pathlib import Path

from feed.watched import Watched


def test_a_file_that_is_written_replaced_or_removed_has_changed_once(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("1")
    watched = Watched([path])
    assert not watched.changed()
    path.write_text("22")
    assert watched.changed()
    assert not watched.changed()
    other.write_text("33")
    os.replace(other, path)
    assert watched.changed()
    path.unlink()
    assert watched.changed()
    assert not watched.changed()
