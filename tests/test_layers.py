"""Who may import whom: the contracts in setup.cfg hold, and a breach of each would be noticed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FEED = ROOT / "feed"

HEAVY = {"pandas", "pyarrow", "zstandard"}
"""Imported inside functions only, everywhere: each costs more than the rest of a start together."""
NUMPY_HOMES = ("tape/", "sources/")
"""Where numpy may be imported at the top; these are themselves imported only when needed."""


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("importlinter", reason="the extra 'dev' is not installed")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    return subprocess.run(
        [*command, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


OF_NO_USE_WITHOUT = {"tape/frames.py": {"pandas"}, "client/sheet.py": {"numpy"}}
"""Modules that nothing imports but for what the package does, so that it need not be put off."""


def imports_at_the_top(source: str) -> Iterator[str]:
    """Give the top-level packages that importing this source imports."""
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif not _runs_later(node):
            pending.extend(ast.iter_child_nodes(node))


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def test_every_import_contract_is_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("ticks", "import feed.hub", "a module imports only from rows below its own"),
        ("sources/stray", "import feed.sessions", "a module imports only from rows below its own"),
        ("stray", "", "a module imports only from rows below its own"),
        ("client/stray", "import feed.hub", "the client knows nothing of the server side"),
        ("hub/stray", "import asyncio", "the hub and the protocol do no I/O"),
        ("protocol/stray", "import socket", "the hub and the protocol do no I/O"),
        ("sessions/stray", "import tornado.ioloop", "Tornado is at home in feed.server"),
        ("server/stray", "import pandas", "pandas and pyarrow are at home in feed.tape"),
        ("server/stray", "import orjson", "JSON is at home in feed.protocol"),
    ],
)
def test_a_breach_breaks_its_contract(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    data = shutil.ignore_patterns("__pycache__", "replay_data", "web")
    shutil.copytree(FEED, tmp_path / "feed", ignore=data)
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    with (tmp_path / "feed" / f"{module}.py").open("a") as file:
        file.write(f"\n{line}\n")
    broken = lint_imports(tmp_path).stdout.partition("Broken contracts")[2]
    assert contract in broken
    assert f"feed.{module.replace('/', '.')}" in broken.partition(contract)[2]


@pytest.mark.parametrize("path", sorted(FEED.rglob("*.py")), ids=lambda p: str(p.relative_to(FEED)))
def test_heavy_packages_are_imported_only_when_they_are_needed(path: Path) -> None:
    place = path.relative_to(FEED).as_posix()
    unwanted = HEAVY if place.startswith(NUMPY_HOMES) else HEAVY | {"numpy"}
    unwanted -= OF_NO_USE_WITHOUT.get(place, set())
    assert unwanted.isdisjoint(imports_at_the_top(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pandas as pd", {"pandas"}),
        ("from pyarrow.parquet import x", {"pyarrow"}),
        ("try:\n    import zstandard\nexcept ImportError: pass", {"zstandard"}),
        ("class A:\n    import pandas", {"pandas"}),
        ("def f():\n    import pandas", set()),
        ("if TYPE_CHECKING:\n    import pandas", set()),
    ],
)
def test_only_what_runs_on_import_counts(source: str, found: set[str]) -> None:
    assert set(imports_at_the_top(source)) == found
