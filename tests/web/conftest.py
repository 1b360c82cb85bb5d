from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.javascript import install


@pytest.fixture(scope="session")
def npm_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which `ws` and TypeScript are installed."""
    folder = tmp_path_factory.mktemp("npm")
    install(folder, "ws@8", "typescript@7")
    return folder
