"""feed.js in node, while its server is killed, stopped, cut off and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos import chaos
from tests.integration.running import Feed, serving, wait_for
from tests.web.account import Told, account, count
from tests.web.javascript import WEB, has_websocket, node

HERE = Path(__file__).resolve().parent
ENOUGH = 500
MARKET = ("--simulate", "AAPL,MSFT,IBM", "--rate", "2000", "--state-flush-interval-s", "0.2")

IN_NODE = f"""
import {{ connect }} from {json.dumps((WEB / "feed.js").as_uri())};
import {{ tell }} from {json.dumps((HERE / "account.js").as_uri())};
const WebSocket = globalThis.WebSocket ?? (await import("ws")).default;
const feed = connect(process.argv[2], {{ symbols: ["AAPL", "MSFT"], WebSocket }});
const say = (told) => console.log(JSON.stringify(told));
const seen = {{ called: 0, iterated: 0 }};
tell(feed, say);
feed.on("tick", () => seen.called++);
if (process.argv[3]) feed.on("close", () => feed.retry());
process.stdin.on("data", () => feed.drop()).on("end", () => feed.close());
for await (const ticks of feed.batches()) seen.iterated += ticks.length;
say(["seen", seen]);
"""


class Watcher:
    """A client of feed.js in a process of its own, and what it has told so far."""

    def __init__(self, command: list[str], folder: Path) -> None:
        quiet = {key: own for key, own in os.environ.items() if "proxy" not in key.lower()}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=pipe, stdout=pipe, text=True, env=quiet
        )
        self.story: list[Told] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.story.append(json.loads(line))

    def wait(self, condition: Callable[[list[Told]], bool], what: str) -> None:
        wait_for(lambda: condition(self.story[:]), what, 20)

    def wait_for_ticks(self, more: int = ENOUGH) -> None:
        """Wait until some more have come."""
        start, wanted = len(self.story), more

        def enough(story: list[Told]) -> bool:
            return sum(len(own) for kind, own in story[start:] if kind == "ticks") >= wanted

        self.wait(enough, f"{more} more ticks")

    def drop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("drop\n")
        self.process.stdin.flush()

    def end(self) -> list[Told]:
        """Close the client; it must end by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self._reading.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.story


@pytest.fixture
def watch(
    request: pytest.FixtureRequest, npm_packages: Path, tmp_path: Path
) -> Iterator[Callable[..., Watcher]]:
    """Start clients in node, with the package `ws` or (parameter `own`) with node's WebSocket."""
    own = getattr(request, "param", "ws") == "own"
    flags = ["--experimental-websocket"] if own and not has_websocket() else []
    if own and not has_websocket(*flags):
        pytest.skip("this node has no WebSocket of its own")
    lead = "" if own else "globalThis.WebSocket = undefined;"
    (npm_packages / "watch.mjs").write_text(lead + IN_NODE)
    made: list[Watcher] = []

    def start(*arguments: str) -> Watcher:
        made.append(Watcher([node(), *flags, "watch.mjs", *arguments], npm_packages))
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def free_port() -> int:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def keeping(folder: Path, port: int) -> Iterator[Feed]:
    """Run a feed that remembers over a restart, on a port that it can have again."""
    state = ("--state-dir", str(folder / "state"), "--port", str(port))
    with serving(folder, *MARKET, *state) as feed:
        yield feed


@pytest.mark.parametrize("watch", ["ws", "own"], indirect=True)
def test_a_server_that_is_killed_again_and_again_ends_neither_callbacks_nor_iteration(
    watch: Callable[..., Watcher], tmp_path: Path
) -> None:
    port, deaths = free_port(), 3
    for life in range(deaths + 1):
        with keeping(tmp_path, port) as feed:
            if not life:
                client = watch(f"ws://127.0.0.1:{port}", "eager")
            opened = lambda story, wanted=life + 1: count(story, "open") == wanted  # noqa: E731
            client.wait(opened, "an open")
            client.wait_for_ticks()
            if life < deaths:
                feed.process.send_signal(signal.SIGKILL)
                feed.process.wait(20)
    story = client.end()
    assert account(story[:-1]) >= ENOUGH * deaths
    ticks = sum(len(own) for kind, own in story if kind == "ticks")
    assert story[-1] == ["seen", {"called": ticks, "iterated": ticks}]


@pytest.mark.parametrize(
    ("watch", "number"),
    [("ws", signal.SIGTERM), ("ws", signal.SIGKILL), ("own", signal.SIGKILL)],
    indirect=["watch"],
)
def test_a_server_that_is_ended_and_started_again_loses_nothing_in_silence(
    watch: Callable[..., Watcher], tmp_path: Path, number: signal.Signals
) -> None:
    port = free_port()
    with keeping(tmp_path, port) as feed:
        client = watch(f"ws://127.0.0.1:{port}")
        client.wait_for_ticks()
        feed.process.send_signal(number)
        client.wait(lambda story: count(story, "close") > 0, "a close")
        feed.process.wait(20)
    with keeping(tmp_path, port):
        client.wait(lambda story: count(story, "open") == 2, "a second open")
        if number == signal.SIGTERM:
            client.wait(lambda story: count(story, "resumed") == 4, "the end of the resume")
        client.wait_for_ticks()
        story = client.end()
    assert account(story) >= 2 * ENOUGH
    code = 4000 if number == signal.SIGTERM else 1006
    assert count(story, "close", code=code, reconnect=True) >= 1
    if number == signal.SIGTERM:
        assert count(story, "open", sameEpoch=True) == 2
        assert count(story, "resumed", complete=True) == 4
        assert count(story, "gap") == 0


def test_ten_cuts_lose_and_repeat_nothing(watch: Callable[..., Watcher], tmp_path: Path) -> None:
    async def cut_off(port: int) -> list[Told]:
        async with chaos(port) as proxy:
            proxy.split = True
            client = await asyncio.to_thread(watch, f"ws://127.0.0.1:{proxy.port}", "eager")
            for cuts in range(11):
                opened = lambda story, wanted=cuts + 1: count(story, "open") == wanted  # noqa: E731
                await asyncio.to_thread(client.wait, opened, "an open")
                await asyncio.to_thread(client.wait_for_ticks, 100)
                if cuts < 10:
                    proxy.cut()
            return await asyncio.to_thread(client.end)

    with serving(tmp_path, *MARKET) as feed:
        story = asyncio.run(cut_off(feed.port))
    assert account(story) > 1_000
    assert count(story, "open", sameEpoch=True) == 11
    assert count(story, "gap") == 0


def test_a_connection_that_is_dropped_comes_back_and_resumes(
    watch: Callable[..., Watcher], tmp_path: Path
) -> None:
    with serving(tmp_path, *MARKET) as feed:
        client = watch(feed.url)
        client.wait_for_ticks(100)
        client.drop()
        client.wait(lambda story: count(story, "resumed") == 4, "the end of the resume")
        client.wait_for_ticks(100)
        story = client.end()
    assert account(story) > 200
    assert count(story, "gap") == 0


def test_a_server_that_says_nothing_is_given_up_and_taken_up_again(
    watch: Callable[..., Watcher], tmp_path: Path
) -> None:
    with serving(tmp_path, *MARKET, "--heartbeat-interval-s", "0.5") as feed:
        client = watch(feed.url)
        client.wait_for_ticks(100)
        feed.process.send_signal(signal.SIGSTOP)
        client.wait(lambda story: count(story, "stale") > 0, "stale")
        feed.process.send_signal(signal.SIGCONT)
        client.wait(lambda story: count(story, "open") == 2, "a second open")
        client.wait_for_ticks(100)
        story = client.end()
    assert account(story) > 200
    assert count(story, "close", code=4002, reconnect=True) == 1
