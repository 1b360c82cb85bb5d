from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import feed
from feed.client.background import BackgroundFeed, flags
from feed.errors import BackgroundError
from tests.integration.running import environment, wait_for


@pytest.fixture
def server() -> Iterator[BackgroundFeed]:
    with feed.serve_in_background(simulate="A,B", rate=500) as server:
        yield server


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_settings_become_flags() -> None:
    settings = {
        "port": 0,
        "replay": [Path("a.csv"), "b.csv"],
        "loop": True,
        "speed": 2.5,
        "map": {"bid": "B1"},
        "start": None,
        "anonymous_admin": False,
    }
    assert list(flags(settings)) == [
        "--port=0",
        "--replay=a.csv",
        "--replay=b.csv",
        "--loop",
        "--speed=2.5",
        "--map=bid=B1",
    ]


def test_it_serves_until_it_is_stopped(server: BackgroundFeed) -> None:
    assert repr(server) == f"<feed {server.url} running>"
    assert server.page == f"http://127.0.0.1:{server.port}/"
    table = feed.ticks(server.url, "A", n=20)
    assert len(table) == 20
    server.stop()
    assert not server.running
    assert gone(server.pid)
    assert "opened from 127.0.0.1" in server.log
    server.stop()


def test_an_interrupt_of_the_notebook_does_not_reach_it(server: BackgroundFeed) -> None:
    assert os.getpgid(server.pid) != os.getpgid(0)
    assert os.getsid(server.pid) != os.getsid(0)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"port": 99_999}, "--port must be an integer from 0 to 65535, was '99999'"),
        ({"replay": "none.csv"}, "none.csv: no such file or folder"),
        ({"colour": "red"}, "unrecognized arguments: --colour=red"),
    ],
)
def test_one_that_does_not_start_says_why(settings: dict[str, object], told: str) -> None:
    with pytest.raises(BackgroundError, match=f"^cannot start a feed: .*{told}"):
        feed.serve_in_background(**settings)  # type: ignore[arg-type]


def test_the_end_of_a_fork_is_not_the_end_of_the_program() -> None:
    program = """
import feed, os, sys
with feed.serve_in_background(simulate="A") as server:
    if not os.fork():
        sys.exit()
    os.wait()
    print(server.running)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment(), check=False
    )
    assert (done.stdout, done.stderr) == (b"True\n", b"")


@pytest.mark.parametrize("end", ["", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_it_ends_with_the_program_that_started_it(end: str) -> None:
    program = f"import feed; print(feed.serve_in_background(simulate='A').pid, flush=True); {end}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment(), check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert done.stderr == b""
    wait_for(lambda: gone(int(done.stdout)), "the feed is gone", 20)
