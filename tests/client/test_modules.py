from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from feed.client import modules
from feed.client.modules import joined, styles


def run(program: str) -> str:
    """Run a module in node and give what it prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    done = subprocess.run(
        [node, "--input-type=module", "-"], input=program, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(modules, "_WEB", tmp_path)
    return tmp_path


def test_modules_are_joined_each_once_and_keep_their_own_names(web: Path) -> None:
    (web / "base.js").write_text("let own = 1;\nexport const count = () => own++;\n")
    (web / "left.js").write_text(
        'import { count } from "./base.js";\nconst own = "left";\n'
        "export function left() {\n  return own + count();\n}\n"
    )
    (web / "main.js").write_text(
        'import { count } from "./base.js";\nimport { left } from "./left.js";\n'
        "export default [left(), count(), left()];\n"
    )
    text = joined("main.js").replace("export default", "const all =") + "console.log(all.join());"
    assert run(text) == "left1,2,left3\n"


def test_the_widgets_code_imports_nothing_any_more() -> None:
    text = joined("widget.js")
    assert "export default { render };" in text
    assert not re.search(r"^import |^export (?!default)", text, re.MULTILINE)
    run(text.replace("export default", "void"))


def test_page_wide_rules_hold_for_the_widget_only() -> None:
    text = styles("table.css", "widget.css", root=".feed-live")
    assert ":root" not in text
    assert ".feed-live {" in text
