"""A notebook in JupyterLab and Notebook 7, under Chromium: `python -m tests.integration.frontends`.

In each it runs the dashboards notebook but for its last cell, which ends everything, looks whether
the widget moves, takes a picture, loads the page again, looks once more, removes the widget's cell,
and asks the kernel whether it is free. The pictures are docs/notebook.png and docs/notebook-7.png,
or go to the folder that is given.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

import nbformat

from tests.integration.running import ROOT, wait_for
from tests.web.pages import chromium

NOTEBOOK: Final = ROOT / "notebooks" / "3-dashboards.ipynb"
SIZE: Final = {"width": 1000, "height": 900}
FIGURE: Final = ".feed-live .board tbody td.last"
LINE: Final = ".feed-live .trend polyline"
LEAST_UPDATES: Final = 10.0
START_S: Final = 60.0
COUNT: Final = """async ([selector, seconds]) => {
    let updates = 0;
    const observer = new MutationObserver(() => updates++);
    observer.observe(document.querySelector(selector), { attributes: true });
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    observer.disconnect();
    return updates / seconds;
}"""


@dataclass(frozen=True)
class FrontEnd:
    """Where a page of notebooks is.

    Attributes:
        module: what runs it.
        path: of a notebook.
        picture: the name of its file.
    """

    module: str
    path: str
    picture: str


FRONT_ENDS: Final = (
    FrontEnd("jupyterlab", "/lab/tree/{}?reset", "notebook.png"),
    FrontEnd("notebook", "/notebooks/{}", "notebook-7.png"),
)


@contextmanager
def serving(module: str, folder: Path) -> Iterator[str]:
    """Run a front end in a folder, with no settings but its own; gives its address."""
    own = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    environment = {**os.environ, **own, "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    environment |= {"IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(ROOT)}
    port = free_port()
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--ServerApp.token="]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options, f"--port={port}"],
            cwd=folder,
            env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/api"), f"{module} answers", START_S)
        yield url
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(START_S)
    except subprocess.TimeoutExpired:  # one that is told so while it starts may forget it
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def ask(folder: Path, source: str) -> str:
    """Run some code in the kernel of the notebook; gives what it prints."""
    from jupyter_client.blocking.client import BlockingKernelClient

    (connection,) = (folder / "runtime").glob("kernel-*.json")
    client = BlockingKernelClient(connection_file=str(connection))
    client.load_connection_file()
    client.start_channels()
    printed: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        printed.append(message["content"].get("text", ""))

    client.execute_interactive(source, timeout=START_S, output_hook=hear)
    client.stop_channels()
    return "".join(printed).strip()


def has_kernel(url: str) -> bool:
    """Tell whether the page is connected to a kernel that waits for cells."""
    with urlopen(f"{url}/api/kernels") as answer:
        kernels = json.load(answer)
    return any(own["connections"] and own["execution_state"] == "idle" for own in kernels)


def run_all(page: Any, url: str, path: str) -> None:
    """Open the notebook, run it, and wait until the widget has figures."""
    page.set_default_timeout(START_S * 1000)
    page.goto(url + path)
    page.wait_for_selector(".jp-Notebook-cell")
    if "/lab/" in path:
        page.get_by_role("button", name="No", exact=True).click()  # no news, thank you
        page.keyboard.press("Control+b")
    wait_for(lambda: has_kernel(url), "it has a kernel", START_S)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    page.wait_for_selector(FIGURE)


def load_again(page: Any) -> None:
    """Save the notebook, load its page again, and wait until the widget is there once more."""
    page.keyboard.press("Control+s")
    page.wait_for_timeout(2_000)
    page.reload()
    page.wait_for_selector(FIGURE)


def remove_cell(page: Any) -> None:
    """Remove the cell of the first widget."""
    cell = page.locator(".jp-Notebook-cell", has=page.locator(".feed-live")).first
    cell.click(position={"x": 5, "y": 5})
    for key in ("Escape", "d", "d"):
        page.keyboard.press(key)


def check(folder: Path, page: Any, picture: Path) -> None:
    """Do what the module says; anything that is not so is an AssertionError."""
    before = updates_per_s(page)
    page.locator(".feed-live").first.scroll_into_view_if_needed()
    page.screenshot(path=picture)
    load_again(page)
    after = updates_per_s(page)
    assert ask(folder, "print(widget.comm is not None, len(widget._views))") == "True 1"
    remove_cell(page)
    wait_for(lambda: ask(folder, "print(widget.comm is None)") == "True", "it is free", 30)
    told = f"{before:.1f} updates per second, {after:.1f} once loaded again; free without its cell"
    sys.stdout.write(f"{picture.name}: {told}\n")


def updates_per_s(page: Any) -> float:
    updates: float = page.evaluate(COUNT, [LINE, 5])
    assert updates >= LEAST_UPDATES, f"{updates:.1f} updates per second in the page"
    return updates


def main(front_end: FrontEnd, pictures: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    notebook.cells.pop()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nbformat.write(notebook, folder / NOTEBOOK.name)  # type: ignore[no-untyped-call]
        with serving(front_end.module, folder) as url, chromium() as browser:
            page = browser.new_page(viewport=SIZE)
            run_all(page, url, front_end.path.format(NOTEBOOK.name))
            check(folder, page, pictures / front_end.picture)
            page.close()


if __name__ == "__main__":
    for each in FRONT_ENDS:
        main(each, Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
