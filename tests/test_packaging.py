"""What a user installs: the wheel's contents, what a start imports, and the script `run`."""

from __future__ import annotations

import fnmatch
import json
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

import feed

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ["numpy", "pandas", "pyarrow", "rich", "tornado", "zstandard"]
COMPILED = ["feed/_alarm.c", "feed/hub/_path.c", "feed/sources/_market.c"]
COMMANDS_OF_RUN = ["cat", "cksum", "dirname", "env", "ln", "readlink", "rm", "sh", "sleep"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """The wheel, built offline, and from a copy, so that no older build leaks into it."""
    folder = tmp_path_factory.mktemp("wheel")
    skip = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "tests", "__pycache__")
    shutil.copytree(ROOT, folder / "source", symlinks=True, ignore=skip)
    build = f"import setuptools.build_meta as backend; backend.build_wheel({str(folder)!r})"
    _run([sys.executable, "-c", build], cwd=folder / "source")
    (built,) = folder.glob("*.whl")
    return ZipFile(built)


@pytest.fixture(scope="module")
def metadata(wheel: ZipFile) -> Message:
    return Parser().parsestr(_read(wheel, "METADATA"))


def _run(command: list[str], *, cwd: Path = ROOT) -> str:
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def _read(wheel: ZipFile, name: str) -> str:
    return wheel.read(f"feed-{feed.__version__}.dist-info/{name}").decode()


def test_the_wheel_has_the_feed_command(wheel: ZipFile) -> None:
    parser = ConfigParser()
    parser.read_string(_read(wheel, "entry_points.txt"))
    assert dict(parser["console_scripts"]) == {"feed": "feed.cli.main:main"}


def test_the_wheel_holds_every_file_of_the_package(wheel: ZipFile) -> None:
    wanted = {f"feed/{each}" for each in _files(ROOT / "feed")}
    wanted |= {f"feed/replay_data/{each}" for each in _files(ROOT / "replay_data")}
    assert wanted <= set(wheel.namelist())


def _files(folder: Path) -> set[str]:
    found = (each for each in folder.rglob("*") if each.is_file() and each.suffix != ".pyc")
    return {each.relative_to(folder).as_posix() for each in found}


@pytest.mark.parametrize(
    "pattern",
    ["feed/py.typed", "feed/replay_data/README.md", "feed/replay_data/*.csv*", "feed/web/*.html"],
)
def test_the_wheel_holds_what_is_not_python(wheel: ZipFile, pattern: str) -> None:
    assert fnmatch.filter(wheel.namelist(), pattern)


def test_the_wheel_declares_the_types_of_feed_js(wheel: ZipFile) -> None:
    if not shutil.which("npm"):
        pytest.skip("needs npm, for the compiler of TypeScript")
    if "feed/web/feed.d.ts" not in wheel.namelist():
        pytest.skip("npm could not bring the compiler of TypeScript")
    assert b"export declare function connect(" in wheel.read("feed/web/feed.d.ts")


def test_the_wheel_holds_only_the_package(wheel: ZipFile) -> None:
    tops = {PurePosixPath(each).parts[0] for each in wheel.namelist()}
    assert tops == {"feed", f"feed-{feed.__version__}.dist-info"}


def test_the_metadata_says_what_an_installer_needs(metadata: Message) -> None:
    assert metadata["Name"] == "feed"
    assert metadata["Version"] == feed.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_extras_are_those_that_errors_and_documents_name(metadata: Message) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) == {
        "tapes",
        "charts",
        "notebook",
        "auth",
        "test",
        "load",
        "dev",
        "bench",
    }


def test_plain_feed_needs_no_extra_package_to_start(metadata: Message) -> None:
    needed = metadata.get_all("Requires-Dist", [])
    core = {each.split("<")[0].split(">")[0] for each in needed if "extra ==" not in each}
    assert core == {
        "tornado",
        "orjson",
        "msgspec",
        "numpy",
        "pandas",
        "prometheus-client",
        "rich",
        "tomli-w",
    }


@pytest.mark.parametrize(
    "start",
    [
        "import feed",
        "import feed.cli.main",
        "import contextlib, feed.cli.main as cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['--help'])",
    ],
)
def test_a_start_imports_nothing_heavy(start: str) -> None:
    look = f"import json, sys\nprint(json.dumps([x for x in {HEAVY} if x in sys.modules]))"
    printed = _run([sys.executable, "-c", f"{start}\n{look}"])
    assert json.loads(printed.splitlines()[-1]) == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh checkout in a folder with a space, and beside it a PATH with no Python on it."""
    root = tmp_path / "my checkout"
    root.mkdir()
    for each in ("run", "setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / each, root)
    for compiled in COMPILED:
        (root / compiled).parent.mkdir(parents=True)
        shutil.copy(ROOT / compiled, root / compiled)
    (tmp_path / "bin").mkdir()
    for each in COMMANDS_OF_RUN:
        found = shutil.which(each)
        assert found is not None
        (tmp_path / "bin" / each).symlink_to(found)
    return root


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def _run_script(checkout: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run `run` from another folder, with only the PATH of the fixture."""
    return subprocess.run(
        [checkout / "run", *args],
        cwd=checkout.parent,
        env={"PATH": str(checkout.parent / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_run_says_which_python_it_needs_when_there_is_none(checkout: Path) -> None:
    result = _run_script(checkout)
    assert result.returncode == 1
    assert result.stderr.endswith("run: needs Python 3.11 or newer, found none\n")


def test_run_says_which_python_it_needs_when_it_is_too_old(checkout: Path) -> None:
    _program(checkout.parent / "bin" / "python3", '[ "$1" = -V ] && echo Python 3.9.6')
    result = _run_script(checkout)
    assert result.returncode == 1
    assert result.stderr.endswith("run: needs Python 3.11 or newer, found Python 3.9.6\n")


def test_run_says_what_to_install_when_python_has_no_venv(checkout: Path) -> None:
    _program(checkout.parent / "bin" / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    result = _run_script(checkout)
    assert result.returncode == 1
    assert result.stderr.endswith("run: python3 lacks venv (apt install python3-venv)\n")


INSTALLER = """\
echo "$*" >>"$(dirname "$0")/../../pip-calls"
case "$*" in *pip\\ install*) cp "$(dirname "$0")/echo" "$(dirname "$0")/feed";; esac"""
"""A stand-in for .venv/bin/python that notes its calls and 'installs' a feed that echoes."""


def _half_installed(checkout: Path) -> Path:
    binaries = checkout / ".venv" / "bin"
    _program(binaries / "python", INSTALLER)
    _program(binaries / "echo", 'echo "feed $*"')
    cp = shutil.which("cp")
    assert cp is not None
    (checkout.parent / "bin" / "cp").symlink_to(cp)
    return checkout / "pip-calls"


def _installs(calls: Path) -> int:
    return calls.read_text().count("pip install")


def test_run_without_arguments_serves_and_with_them_passes_them_on(checkout: Path) -> None:
    _half_installed(checkout)
    assert _run_script(checkout).stdout == "feed serve\n"
    assert _run_script(checkout, "tail", "A B", "*").stdout == "feed tail A B *\n"


def test_what_is_compiled_rounds_as_python_does_on_every_processor() -> None:
    """Compilers like an instruction that rounds a product and a sum once, where there is one."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for each in told["tool"]["setuptools"]["ext-modules"]:
        assert "-ffp-contract=off" in each["extra-compile-args"], each["name"]


@pytest.mark.parametrize("changing", ["setup.cfg", *COMPILED])
def test_run_installs_again_only_when_what_it_builds_from_changed(
    checkout: Path, changing: str
) -> None:
    calls = _half_installed(checkout)
    first, second = _run_script(checkout), _run_script(checkout)
    assert "setting up" in first.stderr
    assert second.stderr == ""
    assert _installs(calls) == 1
    with (checkout / changing).open("a") as file:
        file.write("\n")
    _run_script(checkout)
    assert _installs(calls) == 2


def test_run_leaves_the_test_tools_out_until_they_are_needed(checkout: Path) -> None:
    calls = _half_installed(checkout)
    _run_script(checkout)
    assert ".[tapes,charts]\n" in calls.read_text()
    _program(checkout / ".venv" / "bin" / "pytest", 'echo "pytest $*"')
    assert _run_script(checkout, "test", "-k", "x").stdout == "pytest -k x\n"
    assert ".[tapes,charts,auth,notebook,test,load,dev]\n" in calls.read_text()


def test_run_takes_over_the_lock_of_a_run_that_was_killed(checkout: Path) -> None:
    _half_installed(checkout)
    ended = subprocess.Popen(["true"])
    ended.wait()
    (checkout / ".venv.lock").symlink_to(str(ended.pid))
    assert _run_script(checkout).stdout == "feed serve\n"
    assert not (checkout / ".venv.lock").is_symlink()


def test_run_fails_when_the_installation_fails(checkout: Path) -> None:
    _half_installed(checkout)
    _program(checkout / ".venv" / "bin" / "python", 'case "$*" in *install*) exit 3;; esac')
    result = _run_script(checkout)
    assert result.returncode == 1
    assert result.stderr.endswith("run: could not install what setup.cfg names\n")
    assert not (checkout / ".venv" / ".run").exists()
