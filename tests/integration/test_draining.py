"""A feed that stops resets nobody, and what it published before is with every subscriber."""

from __future__ import annotations

import asyncio
import signal
import ssl
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.integration.running import Feed, run, serving, stoppable, wait_for
from tests.integration.talkers import Talker, encrypting, gather

SYMBOLS = 20
COMMANDS_PER_S = 3_000
LOADED_S = 1.0
DRAIN_S = 10

sizes = pytest.mark.parametrize(
    "clients", [60, pytest.param(1_000, marks=[pytest.mark.soak, pytest.mark.timeout(120)])]
)


async def drained(feed: Feed, talkers: list[Talker], port: int = 0) -> float:
    """Stop a feed while everybody talks; gives the seconds until the last one has ended.

    Args:
        port: where they talk to it, if not at its own.
    """
    talking = await gather(port or feed.port, talkers, len(talkers) / COMMANDS_PER_S)
    await asyncio.sleep(LOADED_S)
    feed.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    await talking
    return time.monotonic() - begun


@sizes
def test_a_drain_resets_nobody_and_owes_nothing(tmp_path: Path, clients: int) -> None:
    market = ("--simulate", str(SYMBOLS), "--rate", "3000", "--seed", "1")
    with serving(tmp_path, *market, "--drain-timeout-s", str(DRAIN_S)) as feed:
        talkers = [Talker(f"S{own % SYMBOLS:03}") for own in range(clients)]
        lasted_s = asyncio.run(drained(feed, talkers))
        assert feed.process.wait(DRAIN_S) == 0
    assert lasted_s < DRAIN_S
    check(talkers)


def test_a_drain_resets_nobody_under_tls_either(tmp_path: Path) -> None:
    pytest.importorskip("trustme", reason="needs the extra dev")
    assert run("dev-cert", "--folder", str(tmp_path)).returncode == 0
    files = [f"--tls-{own}={tmp_path / f'dev-{own}.pem'}" for own in ("cert", "key")]
    trusting = ssl.create_default_context(cafile=str(tmp_path / "dev-ca.pem"))
    market = ("--simulate", str(SYMBOLS), "--rate", "3000", "--seed", "1")
    talkers = [Talker(f"S{own % SYMBOLS:03}") for own in range(2 * SYMBOLS)]

    async def talk(feed: Feed) -> None:
        async with encrypting(feed.port, trusting) as port:
            await drained(feed, talkers, port)

    with serving(tmp_path, *market, *files, "--drain-timeout-s", str(DRAIN_S)) as feed:
        asyncio.run(talk(feed))
        assert feed.process.wait(DRAIN_S) == 0
    check(talkers)


def check(talkers: list[Talker]) -> None:
    """See that everybody had all ticks, was told of the end, and was not reset."""
    assert {own.ended for own in talkers} == {"eof"}
    assert {own.close_code for own in talkers} == {4000}
    newest: dict[str, set[tuple[str, int]]] = {}
    for own in talkers:
        messages = own.messages()
        assert messages[-1]["type"] == "closing"
        newest.setdefault(own.symbol, set()).update(last_seqs(messages).items())
    assert all(len(found) == 2 for found in newest.values()), "all got the same last tick"


def test_while_it_drains_a_feed_is_not_ready_and_takes_no_session(tmp_path: Path) -> None:
    market = ("--simulate", str(SYMBOLS), "--rate", "50000", "--seed", "1")
    large = ("--outbox-limit-bytes", "1000000000")
    with serving(tmp_path, *market, *large) as feed, stoppable(feed) as own:
        own.subscribe("*", delivery="all", snapshot=False)
        url = f"http://127.0.0.1:{feed.port}"
        wait_for(lambda: b"feed_sessions_behind 1.0" in got(f"{url}/metrics")[1], "it behind")
        feed.process.send_signal(signal.SIGTERM)
        wait_for(lambda: got(f"{url}/readyz")[0] == 503, "not ready")
        assert b'"reasons":["draining"' in got(f"{url}/readyz")[1]
        with pytest.raises(InvalidStatus, match="503"):
            connect(feed.url, proxy=None)
        feed.process.send_signal(signal.SIGTERM)
        assert feed.process.wait(DRAIN_S) == 0


def got(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=DRAIN_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def last_seqs(messages: list[dict[str, object]]) -> dict[str, int]:
    """Give the last seq of quotes and of trades; none may be missing since the snapshot."""
    seqs: dict[str, list[int]] = {}
    for own in messages:
        if own["type"] in ("quote", "trade"):
            seqs.setdefault(str(own["type"]), []).append(int(str(own["seq"])))
    assert all(later == earlier + 1 for own in seqs.values() for earlier, later in pairwise(own))
    return {kind: own[-1] for kind, own in seqs.items()}
