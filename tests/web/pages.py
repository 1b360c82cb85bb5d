"""Chromium, a page of a feed in it, and what a person does there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

CHROMIUM: Final = "/usr/bin/chromium"
ARGUMENTS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
LIMIT_MS: Final = 15_000
DESK: Final = {"width": 1280, "height": 720}
PHONE: Final = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Any]:
    """Give a headless Chromium, or skip."""
    api = pytest.importorskip("playwright.sync_api", reason="the extra 'test' is not installed")
    found = shutil.which("chromium") or CHROMIUM
    if not os.path.exists(found):
        pytest.skip("needs Chromium (apt install chromium)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


class Desk:
    """A page that is open, and all that went wrong in it.

    Attributes:
        faults: errors of scripts and of the console, and requests off the host.
        page: Playwright's.
    """

    def __init__(
        self,
        browser: Any,
        url: str,
        size: dict[str, int] = DESK,
        *,
        scripts: Iterable[str] = (),
        **options: Any,
    ) -> None:
        """Open it; `scripts` run before its own."""
        self.faults: list[str] = []
        self.context = browser.new_context(viewport=size, **options)
        for script in scripts:
            self.context.add_init_script(script)
        self.context.set_default_timeout(LIMIT_MS)
        self.page = self.context.new_page()
        self._host = url.split("/")[2]
        self._excused: Callable[[str], bool] = lambda _: False
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._request)
        self.page.goto(url)

    def excuse(self, excused: Callable[[str], bool]) -> None:
        """Let some lines on the console pass from now on: a server that is gone makes them."""
        self._excused = excused

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") and not self._excused(message.text):
            self.faults.append(f"{message.text} {message.location.get('url')}")

    def _request(self, request: Any) -> None:
        if request.url.split("/")[2] != self._host:
            self.faults.append(f"a request to {request.url}")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def wait(self, expression: str, argument: Any = None) -> None:
        """Wait until a function of the page gives something true."""
        self.page.wait_for_function(expression, arg=argument, polling=50)

    def wait_for_text(self, selector: str, text: str) -> None:
        self.wait(
            "([at, text]) => document.querySelector(at)?.textContent.includes(text)",
            [selector, text],
        )

    def symbols(self) -> list[str]:
        """Give the names of the rows in view, from the top."""
        lines = self.page.locator("#watch tr[data-symbol]")
        return [str(own) for own in lines.evaluate_all("all => all.map(x => x.dataset.symbol)")]

    def cell(self, symbol: str, column: str) -> str:
        return self.text(f'#watch tr[data-symbol="{symbol}"] .{column}')

    def type(self, text: str) -> None:
        """Type into the field for symbols, and press Enter."""
        self.page.evaluate("() => document.activeElement.blur()")
        self.page.keyboard.press("/")
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def close(self) -> None:
        self.context.close()
