"""RFC 6455 as the Autobahn cases try it, both halves; compression (12, 13) is never offered."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from feed.cli.main import main as command
from feed.client.frames import client_frame
from feed.client.handshake import read_url
from feed.client.transport import Disconnected, Socket, dial
from feed.protocol.frames import Opcode
from feed.server.tls import Certificate
from tests.conformance.echo import echoing
from tests.integration.talkers import encrypting

kosoku = pytest.importorskip("kosoku", reason="kosoku is installed on Linux only")

CASES = 301
COMPRESSED = ("12.*", "13.*")
LARGE = "9.*"
LARGE_CASES = 54
"""Long messages and many, which take long: they say nothing more of TLS than of the rest."""
AT_ONCE = 4
ANSWER_S = 30.0

pytestmark = pytest.mark.timeout(150)


def lax(verdicts: Iterable[tuple[str, str]], cases: int = CASES) -> set[str]:
    """Give the groups of the cases that went no better than NON-STRICT; none may have failed."""
    found = list(verdicts)
    assert len(found) == cases
    bad = [own for own in found if own[1] not in ("OK", "NON-STRICT", "INFORMATIONAL")]
    assert not bad
    return {id.rpartition(".")[0] for id, verdict in found if verdict == "NON-STRICT"}


async def fuzzed(port: int, folder: Path, *, without: Iterable[str]) -> dict[str, Any]:
    """Have the server at a port tried; gives how each case went."""
    options = [word for own in without for word in ("-x", own)]
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("kosoku"), "-m", "fuzzingclient",
        f"ws://127.0.0.1:{port}/v1/stream",
        *options, "-p", str(AT_ONCE), "-o", folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    [report] = orjson.loads((folder / "index.json").read_bytes()).values()
    found: dict[str, Any] = report
    return found


def judge(report: dict[str, Any], cases: int) -> None:
    """UTF-8 is checked when a message is whole, not as it comes: 6.4 allows both."""
    for aspect in ("behavior", "behaviorClose"):
        allowed = {"6.4"} if aspect == "behavior" else set()
        assert lax(((id, case[aspect]) for id, case in report.items()), cases) == allowed


def test_the_server_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> dict[str, Any]:
        async with echoing(monkeypatch) as port:
            return await fuzzed(port, tmp_path, without=COMPRESSED)

    judge(asyncio.run(main()), CASES)


def test_the_server_conforms_under_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trustme", reason="needs the extra dev")
    assert command(["dev-cert", "--folder", str(tmp_path)]) == 0
    certificate = Certificate(tmp_path / "dev-cert.pem", tmp_path / "dev-key.pem")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "dev-ca.pem"))

    async def main() -> dict[str, Any]:
        async with echoing(monkeypatch, certificate) as own, encrypting(own, trusting) as port:
            return await fuzzed(port, tmp_path, without=(*COMPRESSED, LARGE))

    judge(asyncio.run(main()), CASES - LARGE_CASES)


def test_the_client_conforms() -> None:
    """It sends nothing once the server broke a rule, so earlier echoes may be missing (3 to 5)."""

    async def main() -> Any:
        async with kosoku.run_fuzzingserver(exclude_cases=list(COMPRESSED), port=0) as server:
            base = f"ws://127.0.0.1:{server.port}"
            assert await ask(f"{base}/getCaseCount") == [str(CASES)]
            turns = asyncio.Semaphore(AT_ONCE)
            runs = (
                echo(f"{base}/runCase?case={own + 1}&agent=feed", turns) for own in range(CASES)
            )
            await asyncio.gather(*runs)
            await ask(f"{base}/updateReports?agent=feed")
            return await server.get_result()

    results = asyncio.run(main())
    assert lax((own.case_id, own.behavior.value) for own in results) <= {
        "3",
        "4.1",
        "4.2",
        "5",
        "6.4",
    }
    assert lax((own.case_id, own.behavior_close.value) for own in results) == set()


async def ask(url: str) -> list[str | bytes]:
    """Give every message up to the close."""
    link = await dial(read_url(url))
    found: list[str | bytes] = []
    try:
        while True:
            found += await link.receive(ANSWER_S)
    except Disconnected:
        await link.close()
    return found


async def echo(url: str, turns: asyncio.Semaphore) -> None:
    """Send every message back until the close."""
    async with turns:
        link = await dial(read_url(url))
        try:
            while True:
                for message in await link.receive(ANSWER_S):
                    send_back(link, message)
        except Disconnected:
            await link.close()


def send_back(link: Socket, message: str | bytes) -> None:
    if isinstance(message, str):
        link.send(message.encode())
    else:
        link._tcp.write(client_frame(Opcode.BINARY, message))  # commands are text only
