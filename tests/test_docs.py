"""What the pages say: examples run as they stand, names are the code's own, links lead somewhere.

How an example is run. It ends by itself, or has printed enough lines and is told to stop by
SIGTERM; one that does neither in `LIMIT_S` fails, and so does one that prints nothing or fails.
- `python`: a program of its own where it says `import feed`, else a cell within `async with
  feed.connect(…) as ticks` that is given `CELL_S`.
- `js`: in node; as a module if it imports, and then from the module that pages are served.
- `sh`: each line that is `./run …`, `feed …` or `curl …`, in a folder with the files of `SAMPLES`.
  A `serve` has passed when a client of another make was sent a tick by it.
- `json`, in PROTOCOL.md: read by the reader of the side that it is sent to.
Rewritten are only the address of a server (to the test's own), the port to serve on (to a free one)
and numbers of ticks to write above 20,000.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, get_args

import pytest
from websockets.sync.client import connect

from feed import codes
from feed.cli.main import main
from feed.protocol.codec import COMMANDS, decode, read_command
from feed.protocol.messages import AnyCommand, Message
from feed.sessions.keys import Keys, save
from feed.settings import Settings
from feed.ticks import CHANNELS

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
PROTOCOL = (ROOT / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
KINDS = {kind.__struct_config__.tag: kind for kind in (*get_args(AnyCommand), *get_args(Message))}
HEADINGS = KINDS | {"Tell everybody: `notice": COMMANDS["notice"]}
"""By heading of PROTOCOL.md; `notice` is both a command and a message."""

LIMIT_S: Final = 20.0
CELL_S: Final = 2.0
LINES: Final = 6
SERVE_LINES: Final = 2

SAMPLES: Final = {
    "eurusd.csv": "timestamp,bid,ask\n2026-01-05T14:30:00.125Z,1.1,1.2\n",
    "quotes.csv": "time,symbol,B1,A1\n2026-01-05T14:30:00Z,X,1.1,1.2\n",
    "trades.csv": "a,2026-01-05T14:30:00Z,1.1\nb,2026-01-05T14:30:01Z,1.2\n",
    "ticks.csv": "time,symbol,bid,ask\n05.01.2026 14:30:00.125,X,1.1,1.2\n",
    "ticks.ndjson": '{"type":"trade","symbol":"X","price":1.5}\n',
    "histdata.csv": "20260105 143000125,1.1,1.2,0\n20260105 143001250,1.1,1.3,0\n",
}
"""By name, what the examples read; ticks.parquet and ticks.csv.gz are simulated."""

CELL: Final = f"""\
import ast, asyncio, contextlib, os, sys
import feed

async def read(ticks):
    async for _ in ticks:
        pass

async def run(source):
    async with feed.connect(os.environ["FEED_URL"], symbols=["AAPL", "MSFT"]) as ticks:
        code = compile(source, "the example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        own = "ticks.batches" in source or "in ticks:" in source
        reading = None if own else asyncio.create_task(read(ticks))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout({CELL_S}):
                await eval(code, {{"feed": feed, "ticks": ticks}})
        if reading:
            reading.cancel()
    print("the example ran")

asyncio.run(run(sys.argv[1]))
"""


@dataclass(frozen=True)
class Example:
    """One fenced block, or one command of it."""

    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}-{self.text.strip().splitlines()[-1][:50]}"


def blocks(page: Path, language: str) -> list[Example]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return [Example(page, language, text) for text in found]


def examples(language: str) -> list[Example]:
    return [example for page in PAGES for example in blocks(page, language)]


def commands() -> list[Example]:
    lines = [
        Example(block.page, "sh", line)
        for block in examples("sh")
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    ours = re.compile(r"(\w+=\S+ )*(\./run|feed|curl)(?! test)\b")
    return [line for line in lines if ours.match(line.text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where examples run: their files, and `./run` and `feed` for this interpreter."""
    folder = tmp_path_factory.mktemp("examples")
    for name, text in SAMPLES.items():
        (folder / name).write_text(text)
    (folder / "replay_data").symlink_to(ROOT / "replay_data")
    for name in ("ticks.parquet", "ticks.csv.gz"):
        assert main(["simulate", "--out", str(folder / name), "--ticks", "20000"]) == 0
    keys = Keys()
    (folder / "key").write_text(keys.create("docs", {"subscribe": ["*"]}, ""))
    save(folder / "feed-keys.toml", keys)
    assert main(["dev-cert", "--folder", str(folder)]) == 0
    (folder / "feed-dev.key").write_text("0123456789abcdef" * 3)
    for name in ("run", "feed"):
        script = folder / name
        script.write_text(
            f'#!/bin/sh\n[ $# -gt 0 ] || set -- serve\nexec "{sys.executable}" -m feed "$@"'
        )
        script.chmod(0o755)
    return folder


class Process:
    """An example that runs, in a session of its own so that its children end with it."""

    def __init__(self, command: list[str], folder: Path, url: str = "") -> None:
        path = os.pathsep.join([str(folder), os.environ["PATH"]])
        own = {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "FEED_PORT": "0"}
        self.errors = TemporaryFile("w+")  # noqa: SIM115 - closed in `stop`
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **own, "FEED_URL": url},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )
        self.late = False
        self.timer = threading.Timer(LIMIT_S, self._give_up)
        self.timer.start()

    def lines(self, count: int) -> list[str]:
        """Give the first lines it prints: fewer when it ends before."""
        assert self.process.stdout is not None
        return [line for _, line in zip(range(count), self.process.stdout, strict=False)]

    def stop(self) -> None:
        """Stop it if it still runs; fails when it failed, or had to be given up."""
        for _ in range(2):  # the second makes a server hurry
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGTERM)
        code = self.process.wait(LIMIT_S)
        self.timer.cancel()
        self.process.stdout.close()  # type: ignore[union-attr]
        self.errors.seek(0)
        told = self.errors.read()
        self.errors.close()
        assert not self.late, f"neither ended nor printed enough in {LIMIT_S:g} s: {told}"
        assert code in (0, 143, -signal.SIGTERM), told
        assert "Traceback" not in told, told

    def _give_up(self) -> None:
        self.late = True
        os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The address of a feed that streams the shipped tape and lets everybody do everything."""
    server = Process(["./run", "serve", "--anonymous-publish", "*", "--anonymous-admin"], folder)
    server.timer.cancel()
    yield address(server.lines(SERVE_LINES))
    server.stop()


def address(lines: list[str]) -> str:
    found = re.search(r"wss?://[\w.:]+", "".join(lines))
    assert found, lines
    return found[0]


def passes(command: list[str], folder: Path, url: str) -> None:
    process = Process(command, folder, url)
    printed = process.lines(LINES)
    process.stop()
    assert printed


def local(text: str, url: str) -> str:
    module = (ROOT / "feed" / "web" / "feed.js").as_uri()
    served = text.replace("127.0.0.1:8080", url.removeprefix("ws://"))
    return served.replace('"./feed.js"', f'"{module}"')


@pytest.mark.parametrize("example", examples("python"), ids=str)
def test_python_examples_run(example: Example, folder: Path, url: str) -> None:
    program = local(example.text, url)
    if re.search(r"^import feed$", program, re.M):
        passes([sys.executable, "-c", program], folder, url)
    else:
        passes([sys.executable, "-c", CELL, program], folder, url)


@pytest.fixture(scope="module")
def node() -> list[str]:
    """How to run node with a WebSocket; node 20 has one behind a flag."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs node, to run the examples in JavaScript")
    for flags in ([], ["--experimental-websocket"]):
        command = [program, *flags, "--eval", "process.exit(globalThis.WebSocket ? 0 : 1)"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return [program, *flags]
    pytest.skip("needs node 20.10 or newer, whose WebSocket the examples use")


@pytest.mark.parametrize("example", examples("js"), ids=str)
def test_javascript_examples_run(example: Example, folder: Path, url: str, node: list[str]) -> None:
    module = ["--input-type=module"] if example.text.startswith("import ") else []
    passes([*node, *module, "--eval", local(example.text, url)], folder, url)


@pytest.mark.parametrize("command", commands(), ids=str)
def test_shell_examples_run(command: Example, folder: Path, url: str) -> None:
    line = re.sub(r"(--port |FEED_PORT=)\d+", r"\g<1>0", local(command.text, url))
    line = re.sub(r"--ticks \d{5,}", "--ticks 20000", line)
    if line.startswith("curl ") and shutil.which("curl") is None:
        pytest.skip("needs curl, to run the examples with it")
    if not re.match(r"(\S+=\S+ )*(\./run|feed)( serve (?!--show-settings)|$)", line):
        passes(["sh", "-c", line], folder, url)
        return
    server = Process(["sh", "-c", line], folder)
    lines = server.lines(SERVE_LINES)
    if lines:
        first_tick(address(lines), folder)
    server.stop()


def first_tick(url: str, folder: Path) -> None:
    """Wait until a server has sent a tick, or a snapshot of one; shows a key where one is asked."""
    trusting = ssl.create_default_context(cafile=folder / "dev-ca.pem") if "wss" in url else None
    with connect(url, proxy=None, close_timeout=0.1, ssl=trusting) as socket:
        if json.loads(socket.recv(LIMIT_S))["authentication"] == "required":
            token = (folder / "key").read_text()
            socket.send(json.dumps({"type": "authenticate", "token": token}))
        socket.send(json.dumps({"type": "subscribe", "symbols": ["*"], "channels": list(CHANNELS)}))
        wanted = {"quote", "trade", "bar", "snapshot"}
        while json.loads(socket.recv(LIMIT_S))["type"] not in wanted:
            pass


def sections(level: int) -> dict[str, str]:
    """Give the parts of PROTOCOL.md by their headings."""
    parts = re.split(rf"^{'#' * level} (.+)$", PROTOCOL, flags=re.M)[1:]
    return {
        heading.strip("`"): re.split(r"^#{2,3} ", text, flags=re.M)[0]
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


def rows(text: str) -> dict[str, str]:
    """Give the rows of the first table by their first cell."""
    body = text.partition("|---|")[2]
    return dict(re.findall(r"^\| `?(\w+)`? \|(.*)\|$", body, re.M))


def values(text: str) -> list[Any]:
    """Give the JSON values of a text, one after the other."""
    found, at, reader = [], 0, json.JSONDecoder()
    while at < len(text):
        value, at = reader.raw_decode(text, at)
        found.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found


JSON_VALUES = [
    value for block in blocks(ROOT / "docs" / "PROTOCOL.md", "json") for value in values(block.text)
]


@pytest.mark.parametrize("kind", HEADINGS)
def test_the_protocol_page_has_every_field_of_every_message(kind: str) -> None:
    assert list(rows(sections(3)[kind])) == list(HEADINGS[kind].__struct_encode_fields__)


@pytest.mark.parametrize("value", JSON_VALUES, ids=lambda value: json.dumps(value)[:40])
def test_json_examples_are_what_the_reader_of_the_other_side_takes(value: Any) -> None:
    data = json.dumps(value).encode()
    if isinstance(value, dict) and value["type"] in COMMANDS:
        read_command(data)
    else:
        assert decode(data) != []


@pytest.mark.parametrize("value", JSON_VALUES, ids=lambda value: json.dumps(value)[:40])
def test_json_examples_have_no_field_that_does_not_exist(value: Any) -> None:
    for message in value if isinstance(value, list) else [value]:
        assert set(message) <= {"type", *KINDS[message["type"]].__struct_encode_fields__}


def test_every_message_has_an_example() -> None:
    shown = {value["type"] for value in JSON_VALUES if isinstance(value, dict)}
    assert shown == set(KINDS)


def test_the_protocol_page_has_every_error_code() -> None:
    known = {value for name, value in vars(codes).items() if name.isupper() and type(value) is str}
    assert set(rows(sections(2)["Error codes"])) == known


def test_the_protocol_page_has_every_close_code_and_whether_to_come_back() -> None:
    found = rows(sections(2)["Close codes"])
    assert set(found) == {str(int(code)) for code in codes.CloseCode}
    stay_away = {code for code, rest in found.items() if rest.split("|")[-1].strip() == "no"}
    assert stay_away == {str(int(code)) for code in codes.CloseCode if code in codes.STAY_AWAY}


def test_the_limits_name_settings_that_exist() -> None:
    named = set(re.findall(r"`(\w+)` \|$", sections(2)["Limits"], re.M))
    assert named
    assert named <= {own.name for own in fields(Settings)}


def test_the_architecture_page_gives_every_module_its_row() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("|---|")[2]
    found = {each.stem for each in (ROOT / "feed").iterdir() if each.name[0] not in "._"}
    modules = found - {"py"} | {"__main__"}  # py.typed
    assert {name for name in modules if f"`{name}`" not in table} == set()


@pytest.mark.parametrize(("language", "count"), [("python", 2), ("js", 1)])
def test_the_clients_of_the_readme_are_at_most_eight_lines_each(language: str, count: int) -> None:
    clients = blocks(ROOT / "README.md", language)
    assert len(clients) == count
    for client in clients:
        assert len([line for line in client.text.splitlines() if line]) <= 8


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_file(), target
        assert not anchor or anchor in anchors(there), target
