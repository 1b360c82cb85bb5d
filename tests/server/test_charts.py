from __future__ import annotations

import base64
import hashlib
import importlib
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from feed.server import charts


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    charts.library.cache_clear()
    yield
    charts.library.cache_clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the library's name, whose file the test may write."""
    file = tmp_path / charts.PACKAGE / charts.FILE
    file.parent.mkdir(parents=True)
    (tmp_path / charts.PACKAGE / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    return file


needs_charts = pytest.mark.skipif(
    find_spec(charts.PACKAGE) is None, reason="the extra 'charts' is not installed"
)


@needs_charts
def test_the_installed_library_is_version_5_and_names_its_licence() -> None:
    head = charts.library()[:300].decode()
    assert "TradingView Lightweight Charts™ v5." in head
    assert "Licensed under Apache License 2.0" in head


@needs_charts
def test_the_policy_allows_the_one_style_sheet_that_the_library_makes() -> None:
    text = charts.library().decode()
    (style,) = re.findall(r'createElement\("style"\),this\.\w+\.innerText="([^"]*)"', text)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" == charts.STYLE


def test_a_library_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(charts, "PACKAGE", "no_such_package")
    with pytest.raises(charts.NoCharts, match=r"install the extra charts"):
        charts.library()


def test_a_package_without_the_file_counts_as_none(installed: Path) -> None:
    with pytest.raises(charts.NoCharts, match=r"install the extra charts"):
        charts.library()


def test_another_file_than_the_one_tested_is_not_served(installed: Path) -> None:
    installed.write_text("alert(1)")
    with pytest.raises(charts.NoCharts, match=r"must have sha256 c0992580867c…, was "):
        charts.library()
