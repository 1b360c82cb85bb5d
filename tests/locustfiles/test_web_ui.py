"""A run begun and ended in Locust's web UI, with options given there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from benchmarks.machine import free_port
from tests.integration.running import ROOT, environment, serving, wait_for
from tests.locustfiles.running import LIMIT_S, installed


def get(url: str, **form: object) -> str:
    """Ask for a page, or send a form to it."""
    data = urlencode(form).encode() if form else None
    with urlopen(url, data, timeout=LIMIT_S) as answer:
        return str(answer.read().decode())


def logs(url: str) -> str:
    """Give what the tab with the log shows, once a run was judged."""
    return str(wait_for(lambda: "every seq" in (text := get(f"{url}/logs")) and text, "a verdict"))


def up(url: str) -> str:
    try:
        return get(url)
    except OSError:
        return ""


@pytest.mark.timeout(120)
def test_options_are_in_the_form_and_a_run_of_it_is_judged(tmp_path: Path) -> None:
    installed()
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles" / "watchlists.py")]
    place = ["--web-host", "127.0.0.1", "--web-port", str(port := free_port())]
    url = f"http://127.0.0.1:{port}"
    with (
        serving(tmp_path, "--simulate", "20", "--rate", "500") as feed,
        subprocess.Popen(
            [*command, *place], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
        ) as process,
    ):
        try:
            page = wait_for(lambda: up(url), "the page is there", LIMIT_S)
            for option in ("symbols_per_user", "delivery", "max_p99_ms", "acts_per_s", "token"):
                assert f'"{option}"' in page
            form = {"user_count": 3, "spawn_rate": 10, "host": feed.url, "delayed_ms": 60_000}
            get(f"{url}/swarm", **form, symbols_per_user=2, max_gaps="0")
            requests = f"{url}/stats/requests"
            wait_for(lambda: '"tick latency"' in get(requests), "ticks are shown", LIMIT_S)
            names = {row["name"] for row in json.loads(get(requests))["stats"]}
            assert {"connect", "subscribe", "snapshot", "inter-arrival"} <= names
            get(f"{url}/stop", now="yes")
            assert "good: every seq is accounted for, and every threshold is kept" in logs(url)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert process.returncode == 0
