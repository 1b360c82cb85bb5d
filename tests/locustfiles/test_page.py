"""What docs/LOAD.md says of scenarios, options, figures and faults is what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from locustfiles.__main__ import SCENARIOS, arguments
from locustfiles.tally import FAULTS
from tests.integration.running import ROOT, environment, serving
from tests.locustfiles.running import LIMIT_S, installed, own_master

PAGE = (ROOT / "docs" / "LOAD.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^locust (-f locustfiles/.* --headless .*)$", PAGE, re.M)
BRIEFLY = ("-u", "3", "-t", "5s", "--delayed-ms", "60000")
GOOD = "good: every seq is accounted for, and every threshold is kept"
HOST = "ws://127.0.0.1:8080"


def table(heading: str) -> list[str]:
    """Give the rows of the first table under a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (`.*)$", section, re.M)


def declared() -> set[str]:
    files = [ROOT / "locustfiles" / f"{name}.py" for name in (*SCENARIOS, "options")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return {name for text in texts for name in re.findall(r'\(\s*"(--[\w-]+)",', text)}


def test_every_scenario_and_every_option_is_on_the_page() -> None:
    scenarios, options = table("Scenarios"), table("Options")
    assert {row.split("`")[1].removesuffix(".py") for row in scenarios} == set(SCENARIOS)
    rows = [*scenarios, *(row.split("|")[0] for row in options)]
    told = {name for row in rows for name in re.findall(r"`(--[\w-]+)`", row)}
    assert told == declared()


def test_every_fault_is_on_the_page() -> None:
    assert [row.split("`")[1] for row in table("Faults")] == list(FAULTS)


def test_what_make_load_is_given_is_taken() -> None:
    (words,) = re.findall(r"^make load ARGS='(.*)'$", PAGE, re.M)
    assert arguments(shlex.split(words)).locust == ["--max-p99-ms", "50", "--batch", "yes"]


@pytest.mark.parametrize("command", [own for own in COMMANDS if HOST in own])
def test_commands_run(command: str, tmp_path: Path) -> None:
    installed()
    with serving(tmp_path, "--simulate", "20", "--rate", "200") as feed:
        words = shlex.split(command.replace(HOST, feed.url))
        words[1] = str(ROOT / words[1])
        done = subprocess.run(
            [sys.executable, "-m", "locust", *words, *BRIEFLY, *own_master()],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            cwd=tmp_path,
            env=environment(),
        )
    verdict = [line for line in done.stdout.splitlines() if line.startswith(("bad", "good"))]
    assert verdict == [GOOD], done.stdout + done.stderr
    assert done.returncode == 0
