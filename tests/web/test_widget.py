"""The front end of the notebook's widget, in a page that plays the notebook's part."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from feed.client.modules import joined, styles

PAGE = """
<!doctype html><style>%s</style><div id="cell"></div><script type="module">
%s
const listeners = new Map();
const state = { sheet: {}, selected: "" };
window.sent = [];
window.model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; },
  save_changes: () => window.sent.push({ selected: state.selected }),
  send: (message) => window.sent.push(message),
  on: (name, call) => listeners.set(name, call),
  off: (name, call) => listeners.get(name) === call && listeners.delete(name),
};
window.give = ({ values, trail, ...sheet }) => {
  const bytes = (floats) => new DataView(new Float64Array(floats.map(Number)).buffer);
  state.sheet = { ...sheet, values: bytes(values), trail: bytes(trail) };
  listeners.get("change:sheet")?.();
};
window.remove = widget.render({ model: window.model, el: document.getElementById("cell") });
window.listeners = listeners;
window.widget = widget;
</script>
"""


class Cell:
    """A cell's output with the widget in it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(10_000)
        code = joined("widget.js").replace("export default", "const widget =")
        page.set_content(PAGE % (styles("table.css", "widget.css", root=".feed-live"), code))
        page.wait_for_function("typeof window.remove === 'function'")

    def give(self, rows: dict[str, list[float | None]], trail: list[float] | None = None) -> None:
        """Show figures: bid, ask, last, reference and volume by symbol."""
        values = ["NaN" if own is None else own for row in rows.values() for own in row]
        sheet = {"symbols": list(rows), "values": values, "trail": trail or [], "state": "live"}
        self.page.evaluate(f"give({json.dumps(sheet)})")

    def texts(self, key: str) -> list[str]:
        found = self.page.locator(f".board tbody td.{key}").all_inner_texts()
        return [own.strip() for own in found]

    def symbols(self) -> list[str]:
        return [own.strip() for own in self.page.locator(".board th.symbol").all_inner_texts()]


@pytest.fixture
def cell(browser: Any) -> Iterator[Cell]:
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield Cell(page)
    page.close()
    assert faults == []


def test_figures_become_rows_and_changes_flash(cell: Cell) -> None:
    cell.give({"B": [1.0, 1.5, None, None, 0], "A": [2.0, 2.5, 2.25, 2.0, 100]})
    cell.page.wait_for_function("document.querySelectorAll('.board th.symbol').length >= 3")
    assert cell.symbols()[-2:] == ["A", "B"]
    assert cell.texts("bid") == ["2.00", "1.00"]
    assert cell.texts("last") == ["2.25", "–"]
    assert cell.texts("percent") == ["+12.50", "–"]
    cell.give({"B": [1.0, 1.5, None, None, 0], "A": [2.1, 2.5, 2.25, 2.0, 100]})
    cell.page.wait_for_selector(".board td.bid.up")
    cell.page.wait_for_function("document.querySelectorAll('.flash').length === 0")
    assert cell.texts("bid") == ["2.10", "1.00"]


def test_a_row_is_chosen_by_a_click_and_its_line_drawn(cell: Cell) -> None:
    figures: dict[str, list[float | None]] = {s: [1.0, 1.5, 1.25, 1.0, 5] for s in "AB"}
    cell.give(figures)
    cell.page.click(".board tbody tr[data-symbol='B'] th")
    assert cell.page.evaluate("sent.at(-1)") == {"selected": "B"}
    cell.give(figures, [0.0, 60.0, 1.0, 1.25])
    assert cell.page.inner_text(".trend h4") == "B 1.25"
    assert cell.page.inner_text(".trend .to") == "00:01:00"
    assert cell.page.get_attribute(".trend polyline", "points") == "0.0,156.0 600.0,4.0"


def test_a_head_sorts(cell: Cell) -> None:
    cell.give({s: [bid, bid + 1, None, None, 0] for s, bid in (("A", 2.0), ("B", 3.0))})
    cell.page.click(".board thead th.bid button")
    cell.page.wait_for_selector(".board th.bid[aria-sort='descending']")
    assert cell.symbols()[-2:] == ["B", "A"]


def test_the_kernel_is_told_when_a_view_comes_and_goes(cell: Cell) -> None:
    (opened,) = cell.page.evaluate("sent")
    assert opened["open"]
    cell.page.evaluate("remove()")
    gone = {"view": opened["view"], "open": False, "leaving": False}
    assert cell.page.evaluate("sent.at(-1)") == gone
    assert cell.page.evaluate("listeners.size") == 0


def test_the_kernel_is_told_when_the_page_goes_and_comes_back(cell: Cell) -> None:
    cell.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert cell.page.evaluate("sent.at(-1).open") is False
    assert cell.page.evaluate("sent.at(-1).leaving") is True
    cell.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert cell.page.evaluate("sent.at(-1).open") is True
    cell.page.evaluate("remove()")
    sent = cell.page.evaluate("sent.length")
    cell.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert cell.page.evaluate("sent.length") == sent


@pytest.mark.parametrize(
    ("dressed", "theme"),
    [
        ("document.body.className = 'vscode-dark'", "dark"),
        ("document.body.className = 'vscode-light'", "light"),
        ("document.body.dataset.jpThemeLight = 'false'", "dark"),
        ("document.body.dataset.jpThemeLight = 'true'", "light"),
    ],
)
def test_it_looks_as_the_notebook_does(cell: Cell, dressed: str, theme: str) -> None:
    cell.page.evaluate(dressed)
    cell.page.evaluate("widget.render({ model, el: document.getElementById('cell') })")
    assert cell.page.locator(".feed-live").last.get_attribute("data-theme") == theme


def test_it_asks_nothing_of_any_network(cell: Cell) -> None:
    cell.give({"A": [1.0, 1.5, None, None, 0]})
    assert cell.page.evaluate("performance.getEntriesByType('resource').length") == 0


def test_the_figures_are_packed_as_the_kernel_packs_them(cell: Cell) -> None:
    packed = cell.page.evaluate("[...new Uint8Array(new Float64Array([1.5]).buffer)]")
    assert bytes(packed) == struct.pack("=d", 1.5)
