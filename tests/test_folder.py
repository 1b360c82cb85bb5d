from __future__ import annotations

import os
from pathlib import Path

import pytest

from feed.folder import lock, reason_of


def refusal(folder: Path, why: str) -> Exception:
    return ValueError(f"{folder.name} {why}")


def test_a_folder_is_made_and_kept_from_others_until_it_is_let_go(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    held = lock(folder, ".lock", refusal, "is taken")
    with pytest.raises(ValueError, match="b is taken"):
        lock(folder, ".lock", refusal, "is taken")
    other = lock(folder, "another", refusal, "is taken")
    os.close(held)
    os.close(other)
    os.close(lock(folder, ".lock", refusal, "is taken"))


def test_what_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file cannot be used: file exists"):
        lock(tmp_path / "file", ".lock", refusal, "is taken")


def test_a_reason_is_in_lower_case() -> None:
    assert reason_of(OSError(28, "No space left on device")) == "no space left on device"
    assert reason_of(OSError("Broken")) == "broken"
