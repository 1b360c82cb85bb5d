"""Every module has its test file, in the same place, and every test file has its module."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXEMPT = {"__init__.py", "__main__.py"}

CROSS_CUTTING = {
    "test_docs.py",
    "test_benchmarks.py",
    "test_compiled.py",
    "test_hot_path.py",
    "test_layers.py",
    "test_modules.py",
    "test_operating.py",
    "test_packaging.py",
    "test_replay_data.py",
}
"""Tests of what is no module."""

OF_THE_WHOLE = {"conformance", "integration", "locustfiles", "soak", "web"}
"""Folders with tests of the feed as a whole."""


def modules(root: Path) -> set[PurePosixPath]:
    found = (root / "feed").rglob("*.py")
    return {_below(each, root / "feed") for each in found if each.name not in EXEMPT}


def module_tests(root: Path) -> set[PurePosixPath]:
    found = {_below(each, root / "tests") for each in (root / "tests").rglob("test_*.py")}
    return {
        each
        for each in found
        if each.parts[0] not in OF_THE_WHOLE and str(each) not in CROSS_CUTTING
    }


def strays(root: Path) -> tuple[list[str], list[str]]:
    """Give the modules without a test file, and the test files without a module."""
    expected = {each.with_name(f"test_{each.name}"): each for each in modules(root)}
    present = module_tests(root)
    untested = [f"feed/{expected[each]}" for each in sorted(expected.keys() - present)]
    return untested, [f"tests/{each}" for each in sorted(present - expected.keys())]


def _below(path: Path, folder: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(folder).as_posix())


def test_every_module_has_its_test_file() -> None:
    untested, _ = strays(ROOT)
    assert not untested, f"tests/x/test_y.py is missing for {', '.join(untested)}"


def test_every_test_file_has_its_module() -> None:
    _, homeless = strays(ROOT)
    assert not homeless, f"no module, and not in CROSS_CUTTING: {', '.join(homeless)}"


@pytest.mark.parametrize(
    ("files", "untested", "homeless"),
    [
        (["feed/a.py", "tests/test_a.py"], [], []),
        (["feed/x/a.py", "tests/x/test_a.py", "feed/x/__init__.py", "feed/__main__.py"], [], []),
        (["feed/x/a.py", "tests/test_a.py"], ["feed/x/a.py"], ["tests/test_a.py"]),
        (["tests/integration/test_all.py", "tests/test_docs.py", "tests/conftest.py"], [], []),
    ],
)
def test_a_test_file_counts_only_in_its_modules_place(
    tmp_path: Path, files: list[str], untested: list[str], homeless: list[str]
) -> None:
    for each in files:
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).touch()
    assert strays(tmp_path) == (untested, homeless)
