from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.javascript import install
from tests.web.pages import DESK, Desk, chromium


@pytest.fixture(scope="session")
def npm_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which `ws` and TypeScript are installed."""
    folder = tmp_path_factory.mktemp("npm")
    install(folder, "ws@8", "typescript@7")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for a module: while it runs, `asyncio.run` does not work."""
    with chromium() as own:
        yield own


@pytest.fixture
def desk(browser: Any) -> Iterator[Callable[..., Desk]]:
    """Open pages; nothing may go wrong in them."""
    opened: list[Desk] = []

    def open_page(url: str, size: dict[str, int] = DESK, **options: Any) -> Desk:
        opened.append(Desk(browser, url, size, **options))
        return opened[-1]

    yield open_page
    faults = [fault for own in opened for fault in own.faults]
    for own in opened:
        own.close()
    assert faults == []
