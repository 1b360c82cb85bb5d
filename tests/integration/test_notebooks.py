"""The notebooks as they are shipped, each run from top to bottom in a kernel of its own."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.integration.running import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_S = 60
WIDGET = "application/vnd.jupyter.widget-view+json"

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:zmq", "ignore:.*:ResourceWarning"
)


@cache
def run(name: str) -> Any:
    """Run a notebook in its folder; any error in it is raised."""
    (path,) = [own for own in NOTEBOOKS if own.name.startswith(name)]
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=CELL_S, resources=resources).execute()
    return notebook


def outputs(notebook: Any, beginning: str) -> dict[str, Any]:
    """Give what the cell with this source shows, by media type."""
    (cell,) = [own for own in notebook.cells if beginning in own.source and "outputs" in own]
    shown = [own for own in cell.outputs if "data" in own]
    assert shown, cell.outputs
    return dict(shown[-1].data)


def value(notebook: Any, beginning: str) -> Any:
    """Give the Python value that the cell with this source shows."""
    return ast.literal_eval(outputs(notebook, beginning)["text/plain"])


@pytest.fixture(autouse=True)
def of_this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_the_quick_start_collects_and_plots() -> None:
    notebook = run("1")
    assert outputs(notebook, "async with")["text/plain"].count("symbol=") == 5
    before, came, after = value(notebook, "before, came, after")
    assert before > 0
    assert after - before >= came >= 500
    assert "gaps=0" in outputs(notebook, "live.stats")["text/plain"]
    assert "<table" in outputs(notebook, "live.quotes.tail()")["text/html"]
    assert "image/png" in outputs(notebook, ".plot(")
    counted = outputs(notebook, "some.type.value_counts()")["text/plain"]
    assert sum(int(line.split()[1]) for line in counted.splitlines()[1:-1]) == 100
    assert "AAPL" in outputs(notebook, "feed.history(")["text/html"]
    assert "closed: " in outputs(notebook, "server.stop()")["text/plain"]


def test_the_microstructure_is_that_of_the_tape() -> None:
    notebook = run("2")
    quotes, trades, symbols = value(notebook, "feed.tape(")
    assert (quotes, trades, len(symbols)) == (76_640, 19_360, 8)
    spreads = [line.split() for line in outputs(notebook, "spreads =")["text/plain"].splitlines()]
    assert [row[0] for row in spreads[2:]] == symbols
    for _, quoted, effective, _ in spreads[2:]:  # trades of the simulator pay the quoted spread
        assert float(effective) == pytest.approx(float(quoted), rel=0.05)
    r_squared, intervals = value(notebook, "r_squared")
    assert intervals > 90
    assert 0.4 < r_squared < 0.7
    assert "image/png" in outputs(notebook, "flow.plot.scatter")
    assert outputs(notebook, "tape.replay(")["text/plain"].startswith("Quote(")


def test_the_dashboard_has_a_widget_bars_and_alerts() -> None:
    notebook = run("3")
    assert value(notebook, "serve_in_background(simulate=300") >= 3000
    for beginning in ("widget = live.widget()", "live.widget(rate=2)"):
        shown = outputs(notebook, beginning)
        assert shown[WIDGET]["model_id"]
        assert "<table" in shown["text/html"]
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert [own["model_module"] for own in states.values()].count("anywidget") == 2
    assert len(outputs(notebook, "busiest =")["text/plain"].splitlines()) == 7
    assert "image/png" in outputs(notebook, "own[[")
    number, first = value(notebook, "def wide(")
    assert number >= len(first)
    assert all(spread_bp > 20 for _, spread_bp in first)


def test_an_indicator_is_published_and_seen() -> None:
    notebook = run("4")
    assert "accepted=2, seqs=[1, 1], rejected=[]" in outputs(notebook, "answer =")["text/plain"]
    counts = outputs(notebook, "watcher.trades.groupby")["text/plain"].splitlines()[2:4]
    assert [line.split()[:2] for line in counts] == [["MICRO.AAPL", "50.0"], ["MICRO.MSFT", "50.0"]]
    assert WIDGET in outputs(notebook, "both.widget()")
    assert "MICRO.AAPL" in outputs(notebook, "server.page")["text/html"]
    refusals = value(notebook, "rejection.message")
    assert len(refusals) == 2
    assert "above 0" in refusals[0]
    assert "may not publish" in refusals[1]
