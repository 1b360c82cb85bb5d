"""Live in a kernel, used as people use notebooks: blocked, interrupted, run again, restarted."""

from __future__ import annotations

import ast
import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import v4

from tests.integration.running import ROOT, wait_for

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:zmq", "ignore:.*:ResourceWarning"
)

CELL_S = 40

SERVER = """
import feed, time
server = feed.serve_in_background(simulate="A,B", rate=1000, seed=1)
live = feed.Live(server.url, ["A"], delivery="all")
server.pid
"""


class Kernel:
    """A kernel that runs one cell after the other."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client

    def run(self, source: str) -> Any:
        """Run a cell; gives the value that it shows, if it shows one."""
        shown = self.show(source)
        return ast.literal_eval(shown) if shown else None

    def show(self, source: str) -> str:
        """Run a cell; gives what it shows."""
        cell = v4.new_code_cell(source)  # type: ignore[no-untyped-call]
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        return "".join(own.data["text/plain"] for own in cell.outputs if "data" in own)

    def interrupt(self) -> None:
        assert self._client.km is not None
        asyncio.run(self._client.km.interrupt_kernel())  # type: ignore[arg-type]


def client_of_a_new_notebook() -> NotebookClient:
    return NotebookClient(v4.new_notebook(), timeout=CELL_S)  # type: ignore[no-untyped-call]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    client = client_of_a_new_notebook()
    with client.setup_kernel():
        yield Kernel(client)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_goes_on_whatever_the_notebook_does(kernel: Kernel) -> None:
    pid = kernel.run(SERVER)

    blocked = kernel.run(
        "before = live.stats.ticks\nuntil = time.monotonic() + 1\n"
        "while time.monotonic() < until: pass\nlive.stats.ticks - before"
    )
    assert blocked > 200

    threading.Timer(1.0, kernel.interrupt).start()
    with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
        kernel.run("live.wait(n=10**9)")
    assert kernel.run("live.wait(n=50, seconds=20) >= 50 and server.running")

    kernel.run("old = live._worker\nlive = feed.Live(server.url, ['A', 'B'])")
    assert kernel.run("import gc; gc.collect(); old.running, live.connected") == (False, True)
    assert kernel.run("other = feed.Live(server.url, 'B'); other.wait(n=50, seconds=20) >= 50")
    assert kernel.run("sorted(set(other.quotes.symbol))") == ["B"]

    for _ in range(3):
        assert "live" in kernel.show("other = feed.Live(server.url, 'B')\nother")
    kernel.run("import threading; names = [own.name for own in threading.enumerate()]")
    assert kernel.run("gc.collect(); names.count('feed-live')") == 2

    kernel.run("port = server.port; server.stop()")
    kernel.run("server = feed.serve_in_background(simulate='A,B', rate=1000, port=port)")
    assert kernel.run("live.wait(n=50, seconds=30) >= 50 and live.stats.reconnects") == 1
    assert kernel.run("live.quotes.epoch.nunique()") == 2
    assert kernel.run("bool(live.quotes.duplicated(['epoch', 'symbol', 'seq']).any())") is False
    by_stream = "live.quotes.groupby(['epoch', 'symbol'], observed=True).seq"
    assert kernel.run(f"sorted({by_stream}.diff().dropna().unique().tolist())") == [1.0]
    assert gone(pid)


def test_nothing_is_left_when_the_kernel_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    client = client_of_a_new_notebook()
    with client.setup_kernel():
        pid = Kernel(client).run(SERVER)
        assert not gone(pid)
    wait_for(lambda: gone(pid), "the feed has ended with the kernel", 20)
