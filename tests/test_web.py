"""The page at `/`: what a browser is served, and those parts of page.js that need no browser."""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from feed.codes import STAY_AWAY
from feed.protocol.codec import encode, read_command
from feed.protocol.messages import Subscribe
from feed.server.app import application
from feed.ticks import Trade
from tests.fakes import World, trade

WEB = Path(__file__).resolve().parent.parent / "feed" / "web"
TYPES = {
    "": "text/html; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "feed.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "feed.svg": "image/svg+xml",
}


def get(path: str) -> HTTPResponse:
    """Ask a server that was just started for a path."""

    async def ask() -> HTTPResponse:
        server = HTTPServer(application(World().registry))
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        try:
            client = AsyncHTTPClient(force_instance=True)
            url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/{path}"
            return await client.fetch(url, raise_error=False, follow_redirects=False)
        finally:
            client.close()
            server.stop()
            await server.close_all_connections()

    return asyncio.run(ask())


class Page(HTMLParser):
    """What index.html holds: tags with their attributes, and the text of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.inline: list[str] = []
        self.feed((WEB / "index.html").read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.inline.append(data)

    def values(self, *names: str) -> set[str]:
        return {held[name] for _, held in self.tags for name in names if name in held}


@pytest.mark.parametrize("path", [*TYPES, "?symbols=AAPL+BTC*"])
def test_the_page_and_its_files_are_served_under_a_strict_policy(path: str) -> None:
    response = get(path)
    name = path.partition("?")[0]
    assert response.code == 200
    assert response.body == (WEB / (name or "index.html")).read_bytes()
    assert response.headers["Content-Type"] == TYPES[name]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_icon_that_browsers_ask_for_is_the_one_of_the_page() -> None:
    response = get("favicon.ico")
    assert (response.code, response.headers["Location"]) == (301, "/feed.svg")


def test_every_file_of_the_folder_is_served() -> None:
    assert {each.name for each in WEB.iterdir()} == {name or "index.html" for name in TYPES}


def test_the_page_has_nothing_inline_that_the_policy_forbids() -> None:
    page = Page()
    assert page.inline == []
    assert "style" not in {tag for tag, _ in page.tags}
    attributes = {name for _, held in page.tags for name in held}
    assert not {name for name in attributes if name.startswith("on") or name == "style"}


def test_the_page_loads_nothing_from_elsewhere() -> None:
    assert Page().values("src", "href") == set(TYPES) - {"", "feed.js"}
    for name in set(TYPES) - {"feed.js"}:
        text = (WEB / (name or "index.html")).read_text("utf-8")
        assert "//" not in re.sub(r"(?m)^ *//.*|; // .*|http://www.w3.org/2000/svg", "", text)


def test_the_page_writes_symbols_as_text_only() -> None:
    script = (WEB / "page.js").read_text("utf-8")
    assert "textContent" in script
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


def test_the_script_finds_what_it_looks_for_in_the_page() -> None:
    script = (WEB / "page.js").read_text("utf-8")
    wanted = set(re.findall(r'byId\("(\w+)"\)', script))
    assert wanted
    assert wanted <= Page().values("id")


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Evaluate an expression over the functions of page.js, and the values given, in node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node, to run page.js")
    shutil.copy(WEB / "page.js", tmp_path / "page.mjs")

    def evaluate(expression: str, **values: Any) -> Any:
        program = (
            f'import * as page from "./page.mjs";\nconst {{{", ".join(values)}}} = '
            f"{msgspec.json.encode(values).decode()};\nconsole.log(JSON.stringify({expression}));"
        )
        (tmp_path / "run.mjs").write_text(program)
        result = subprocess.run(
            [node, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return evaluate


def test_the_page_stays_away_after_the_same_codes_as_every_client(run: Any) -> None:
    found = run("all.filter(page.stayAway)", all=list(range(1000, 5000)))
    assert set(found) == STAY_AWAY


def test_waits_grow_up_to_half_a_minute_and_are_drawn_from_zero_on(run: Any) -> None:
    assert run("[0, 1, 2, 7, 2000].map((n) => page.delayMs(n, 1))") == [
        250,
        500,
        1000,
        30000,
        30000,
    ]
    assert run("page.delayMs(5, 0)") == 0


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("", ["*"]),
        ("?symbols=", ["*"]),
        ("?symbols=+", ["*"]),
        ("?symbols=AAPL%2CMSFT++BTC*+AAPL", ["AAPL", "MSFT", "BTC*"]),
        ("?symbols=%E0%A4%A", ["\ufffd%A"]),
    ],
)
def test_symbols_are_read_from_the_address(run: Any, query: str, symbols: list[str]) -> None:
    assert run("page.readSymbols(query)", query=query) == symbols


def test_the_server_takes_the_commands_of_the_page(run: Any) -> None:
    quotes, trades = [
        read_command(encode(command)) for command in run('page.subscriptions(["AAPL", "BTC*"])')
    ]
    assert isinstance(quotes, Subscribe)
    assert isinstance(trades, Subscribe)
    assert (quotes.channels, quotes.delivery, quotes.interval_ms) == (["quotes"], "latest", 200)
    assert (trades.channels, trades.delivery) == (["trades"], "adaptive")


DAY_NS = 86_400_000_000_000
STEPS_NS = {
    "one session": [1_000_000, 1_000_000_000],
    "many sessions": [1_000_000, 1_000_000_000, DAY_NS // 3, -50_000_000_000, -DAY_NS],
}
"""Between two trades; a step back by more than a minute is a tape that starts over."""


def history(steps_ns: list[int]) -> list[Trade]:
    draw = random.Random(7)
    ts_event, found = 20 * DAY_NS, []
    for _ in range(100):
        ts_event += draw.choice(steps_ns)
        found.append(trade("A", draw.randint(100, 200) / 4, draw.randint(1, 9) * 100, ts_event))
    return found


@pytest.mark.parametrize("known", [0, 1, 50])
@pytest.mark.parametrize("steps", STEPS_NS)
def test_volume_and_change_stay_those_of_the_server(run: Any, known: int, steps: str) -> None:
    world, trades = World(), history(STEPS_NS[steps])
    world.publish(*trades[:known])
    snapshot = world.hub.last_values.snapshot("A", ["trades"])
    told = msgspec.to_builtins(snapshot)
    world.publish(*trades[known:])
    row = run(
        "(page.takeSnapshot(row, told), trades.forEach((own) => page.takeTrade(row, own)), row)",
        row=run('page.newRow("A")'),
        told=told,
        trades=[msgspec.to_builtins(own) for own in trades],  # those of the snapshot come twice
    )
    session = world.hub.last_values.snapshot("A", ["trades"]).session
    assert session is not None
    reference = session.open if session.previous_close is None else session.previous_close
    assert (row["last"], row["volume"], row["reference"]) == (
        session.last,
        session.volume,
        reference,
    )


def test_a_snapshot_for_quotes_leaves_the_trades_alone(run: Any) -> None:
    world = World()
    world.publish(trade("A", 1.5, 100))
    told = msgspec.to_builtins(world.hub.last_values.snapshot("A", ["quotes"]))
    row = run("(page.takeSnapshot(row, told), row)", row=run('page.newRow("A")'), told=told)
    assert row["volume"] == 0


def test_cells_show_every_decimal_a_price_has_had_and_a_sign_for_each_change(run: Any) -> None:
    row = {"symbol": "A", "volume": 0, "decimals": 2, "tradeSeq": 0, "tradeTs": 0}
    quoted = "page.takeQuote(row, { bid: 1.12345, ask: 2 })"
    traded = [
        f"page.takeTrade(row, {{ seq: {n}, ts_event: 5, price: {n}, size: 1500 }})" for n in (1, 2)
    ]
    texts, change = run(f"({', '.join([quoted, *traded])}, page.cells(row))", row=row)
    assert texts == ["A", "1.12345", "2.00000", "2.00000", "+100.00 %", "3,000"]
    assert change == 100


def test_cells_show_a_dash_for_what_is_not_known(run: Any) -> None:
    assert run('page.cells(page.newRow("A"))') == [["A", "–", "–", "–", "–", "0"], 0]
