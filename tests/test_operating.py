"""What the operators' page and the dashboard say is what a running feed does.

nginx and Prometheus are the real ones where they are installed, as they are in CI.
"""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from websockets.sync.client import connect

from feed.recorder import Recorder
from feed.server.exposition import Exposition
from feed.settings import load
from tests.integration.running import Feed, serving, wait_for
from tests.server.test_exposition import busy
from tests.server.test_probes import StubSource

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "OPERATING.md").read_text("utf-8")
DASHBOARD = orjson.loads((DOCS / "grafana.json").read_bytes())
MARKET = ("--simulate", "AAPL,MSFT", "--rate", "500", "--seed", "3")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return str(found)


def needs(program: str) -> str:
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/bin")
    if found is None:
        pytest.skip(f"needs {program}")
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that does not end by itself."""
    with (folder / "out.log").open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def names(folder: Path) -> set[str]:
    """Give every name of our own that a scrape has, histograms without the endings."""
    world = busy()
    world.hub.metrics.requests[200] = 1
    world.hub.metrics.refuse("bad_json")
    world.hub.metrics.reload_failures["tls"] = 0
    sources = [StubSource("replay", "live")]
    recorder = Recorder(folder, lambda: "a")
    text, _ = Exposition(world.registry, lambda: sources, recorder).text("")
    found = {own.name for family in parse(text.decode()) for own in family.samples}
    bare = {re.sub("_(bucket|count|sum)$", "", name) for name in found}
    return {name for name in bare if name.startswith("feed_") and not name.endswith("_created")}


def test_the_page_lists_every_metric_and_no_other(tmp_path: Path) -> None:
    assert set(re.findall(r"^\| `(feed_\w+)(?:\{\w+\})?` \|", PAGE, re.M)) == names(tmp_path)


def queries() -> list[str]:
    """Give the queries of the dashboard and of the page, as Grafana would send them."""
    panels = [own for panel in DASHBOARD["panels"] for own in panel.get("targets", [])]
    alerts = re.findall(r"^\| `([^`]*[<>=] [\d.]+)` \|", PAGE, re.M)
    found = [own["expr"] for own in panels] + alerts
    return [own.replace("$__rate_interval", "5s").replace("$instance", ".*") for own in found]


def test_queries_name_only_metrics_that_there_are(tmp_path: Path) -> None:
    known = names(tmp_path)
    used = {name for query in queries() for name in re.findall(r"feed_\w+", query)}
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in used} <= known
    assert len(queries()) > 25


def test_the_format_is_what_promtool_expects(tmp_path: Path) -> None:
    promtool = needs("promtool")
    with serving(tmp_path, *MARKET, "--record", "tapes") as feed:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{feed.port}/metrics")
        with answer:
            text = answer.read()
    result = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, b"")


def closes_one(feed: Feed) -> None:
    """Open a session that subscribes, and close it."""
    with connect(feed.url, proxy=None) as stream:
        stream.send('{"type":"subscribe","symbols":["*"]}')
        for _ in range(5):
            stream.recv(10)


def test_every_query_finds_something_in_a_real_prometheus(tmp_path: Path) -> None:
    prometheus = needs("prometheus")
    with serving(tmp_path, *MARKET, "--record", "tapes") as feed:
        closes_one(feed)
        config = block("yaml").replace("127.0.0.1:8080", f"127.0.0.1:{feed.port}")
        (tmp_path / "prometheus.yml").write_text(config.replace("10s", "200ms"))
        port = free_port()
        options = (
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=tsdb",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        with running(tmp_path, prometheus, *options):
            wait_for(lambda: asked(port, "feed_sessions_opened_total >= 1"), "a scrape", 30)
            wait_for(lambda: asked(port, "count_over_time(feed_info[1m]) > 2"), "more", 30)
            empty = [query for query in queries() if not asked(port, query)]
    alerts = {query for query in empty if re.search("[<>=] [\\d.]+$", query)}
    assert set(empty) - alerts == set()


def asked(port: int, query: str) -> Any:
    """Give what a query finds; fails when Prometheus does not understand it."""
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        if error.code == 503:  # it is still getting up
            return []
        raise AssertionError(f"{query}: {error.read().decode()}") from None
    except OSError:  # it is not up yet
        return []
    return found["data"]["result"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    openssl = needs("openssl")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    files = ["-keyout", "feed.key", "-out", "feed.pem", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *files, *names], cwd=tmp_path, capture_output=True, check=True)
    return tmp_path / "feed.pem"


def test_behind_nginx_a_stream_and_a_page_come_through(tmp_path: Path, certificate: Path) -> None:
    nginx = needs("nginx")
    port = free_port()
    with serving(tmp_path, *MARKET, "--heartbeat-interval-s", "0.2") as feed:
        site = block("nginx").replace("127.0.0.1:8080", f"127.0.0.1:{feed.port}")
        site = site.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        site = site.replace("/etc/ssl/", f"{tmp_path}/").replace("60s", "2s")
        places = "".join(
            f"{name}_temp_path {tmp_path}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {places}\n{site} }}"
        )
        with running(tmp_path, nginx, "-p", str(tmp_path), "-c", "nginx.conf"):
            trusted = ssl.create_default_context(cafile=str(certificate))
            page = f"https://localhost:{port}"
            wait_for(lambda: reaches(page, trusted), "nginx", 20)
            with connect(f"wss://localhost:{port}/v1/stream", ssl=trusted, proxy=None) as stream:
                stream.send('{"type":"subscribe","symbols":["AAPL"]}')
                kinds = {orjson.loads(stream.recv(10))["type"] for _ in range(200)}
            assert {"welcome", "subscribed", "quote", "heartbeat"} <= kinds
            for path in ("/v1/ticks/AAPL?limit=5", "/metrics"):
                with urllib.request.urlopen(page + path, context=trusted, timeout=10) as answer:
                    assert answer.status == 200


def reaches(url: str, trusted: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", context=trusted, timeout=5) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def test_the_settings_of_the_page_are_settings(tmp_path: Path) -> None:
    path = tmp_path / "feed.toml"
    path.write_text(block("toml"))
    loaded = load({}, {}, str(path))
    assert loaded.settings.record == "/var/lib/feed/recorded"
    assert set(loaded.of) == set(tomllib.loads(block("toml")))


def test_the_unit_is_what_systemd_expects(tmp_path: Path) -> None:
    analyze = needs("systemd-analyze")
    unit = tmp_path / "feed.service"
    unit.write_text(block("ini").replace("/opt/feed/bin/feed", "/bin/true"))
    result = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    told = [line for line in result.stderr.splitlines() if "feed.service" in line]
    assert told == []
