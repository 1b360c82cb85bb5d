"""The client that a JavaScript programmer would write, with Node's `ws`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest

from tests.integration.running import has_every_seq, serving

SCRIPT = """\
const WebSocket = require('ws');
const socket = new WebSocket(process.argv[2]);
const messages = [];
let wanted = 50;
socket.onopen = () => socket.send(JSON.stringify({type: 'subscribe', symbols: ['MSFT']}));
socket.onmessage = ({data}) => {
  const message = JSON.parse(data);
  messages.push(message);
  if (message.type === 'quote' && --wanted === 0) socket.close(1000);
};
socket.onclose = ({code}) => console.log(JSON.stringify({code, messages}));
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder outside the repository in which `ws` is installed."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}')
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--fetch-timeout=10000",
         "--fetch-retries=0", "ws"],
        cwd=folder, capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    if installed.returncode:
        pytest.skip("npm could not install ws: " + installed.stderr.strip()[-200:])
    (folder / "client.js").write_text(SCRIPT)
    return folder


def test_a_plain_script_with_ws_gets_its_symbol(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "AAPL,MSFT", "--rate", "1000") as feed:
        ran = subprocess.run(
            ["node", "client.js", feed.url],
            cwd=project, capture_output=True, text=True, timeout=20, check=False,
            env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    result = orjson.loads(ran.stdout)
    assert result["code"] == 1000
    welcome, ack, snapshot, *rest = result["messages"]
    assert [welcome["type"], ack["type"], snapshot["type"]] == ["welcome", "subscribed", "snapshot"]
    quotes = [message for message in rest if message["type"] == "quote"]
    assert len(quotes) >= 50  # some were on their way when it closed
    assert {message["symbol"] for message in quotes} == {"MSFT"}
    assert has_every_seq([{"seq": snapshot["seqs"]["quotes"]}, *quotes])
