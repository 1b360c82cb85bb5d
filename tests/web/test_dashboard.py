"""The page at `/` in a real browser, used as a person uses it."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import Feed, run, serving, wait_for
from tests.web.pages import DESK, PHONE, Desk
from tests.web.test_restarts import free_port, keeping

Open = Callable[..., Desk]
NAMES = ("AAPL", "IBM", "MSFT", "NVDA")
EVIL = "<img src=x onerror=alert(1)>"
STATUS_IS = "() => document.querySelector('#status').textContent === %s"


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    arguments = ("--simulate", ",".join(NAMES), "--rate", "400")
    with serving(tmp_path_factory.mktemp("feed"), *arguments) as running:
        yield running


@pytest.fixture
def url(feed: Feed) -> str:
    return f"http://127.0.0.1:{feed.port}/"


def subscriptions(url: str) -> float:
    """How many (channel, name) pairs the server holds, of all sessions."""
    with urllib.request.urlopen(f"{url}metrics") as response:
        return float(re.findall(rb"(?m)^feed_subscriptions (\S+)$", response.read())[0])


def get(url: str) -> Any:
    with urllib.request.urlopen(url) as response:
        return json.load(response)


def post(url: str, told: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(told).encode(), headers)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def publish(url: str, tick: dict[str, Any]) -> None:
    assert post(f"{url}v1/ticks", tick)["rejected"] == []


def ticks(desk: Desk, symbol: str) -> None:
    """Wait until a row has a price, and then another."""
    at = f'#watch tr[data-symbol="{symbol}"] .bid'
    desk.wait("at => /\\d/.test(document.querySelector(at)?.textContent)", at)
    before = desk.text(at)
    desk.wait("([at, before]) => document.querySelector(at).textContent !== before", [at, before])


def test_a_first_visit_shows_every_symbol_with_prices_that_move(desk: Open, url: str) -> None:
    page = desk(url)
    page.wait("n => document.querySelectorAll('#watch tr[data-symbol]').length === n", len(NAMES))
    assert page.symbols() == list(NAMES)
    ticks(page, "MSFT")
    assert re.fullmatch(r"[+−]?\d+\.\d\d", page.cell("MSFT", "percent"))
    assert float(page.cell("MSFT", "spread")) > 0


def test_a_symbol_is_typed_with_completion_ticks_and_is_removed_from_the_server_too(
    desk: Open, url: str
) -> None:
    page = desk(f"{url}?symbols=AAPL")
    ticks(page, "AAPL")
    wait_for(lambda: subscriptions(url) == 4, "three channels, and the bars of the chart")
    page.page.keyboard.press("/")
    page.page.keyboard.type("ms")
    page.wait("() => document.querySelector('#matches li')?.textContent === 'MSFT'")
    page.page.keyboard.press("ArrowDown")
    page.page.keyboard.press("Enter")
    ticks(page, "MSFT")
    wait_for(lambda: subscriptions(url) == 7, "three channels more")
    assert page.symbols() == ["MSFT", "AAPL"]
    assert page.text("#name") == "MSFT"
    assert page.page.url.endswith("?symbols=MSFT,AAPL")

    page.page.focus("#watch table")
    page.page.keyboard.press("Delete")
    wait_for(lambda: subscriptions(url) == 4, "they are gone")
    assert page.symbols() == ["AAPL"]
    assert page.text("#name") == "AAPL"
    assert page.page.url.endswith("?symbols=AAPL")


def test_what_no_source_publishes_is_said_and_not_kept(desk: Open, url: str) -> None:
    page = desk(f"{url}?symbols=AAPL")
    page.type("NOPE")
    page.wait_for_text("#news", "no source publishes NOPE")
    page.wait("() => document.querySelectorAll('#watch tr[data-symbol]').length === 1")
    assert page.page.url.endswith("?symbols=AAPL")


def test_a_row_that_a_pattern_took_is_removed_alone(desk: Open, url: str) -> None:
    page = desk(url)
    ticks(page, "IBM")
    page.page.hover('#watch tr[data-symbol="IBM"]')
    page.page.click('#watch tr[data-symbol="IBM"] .remove')
    page.wait("() => document.querySelectorAll('#watch tr[data-symbol]').length === 3")
    assert page.symbols() == ["AAPL", "MSFT", "NVDA"]
    wait_for(lambda: subscriptions(url) == 10, "names in place of the pattern")


def test_rows_are_put_in_order_by_dragging_and_by_key_and_stay_so(desk: Open, url: str) -> None:
    page = desk(f"{url}?symbols=AAPL,IBM,MSFT")
    ticks(page, "MSFT")
    mouse = page.page.mouse
    page.page.hover('#watch tr[data-symbol="MSFT"]')
    for at, act in (("MSFT", mouse.down), ("AAPL", mouse.up)):
        box = page.page.locator(f'#watch tr[data-symbol="{at}"] .grip').bounding_box()
        assert box is not None
        mouse.move(box["x"] + 3, box["y"] + 3)
        act()
    page.wait("() => document.querySelector('#watch tr[data-symbol]').dataset.symbol === 'MSFT'")
    assert page.symbols() == ["MSFT", "AAPL", "IBM"]
    page.page.focus("#watch table")
    page.page.keyboard.press("Home")
    page.page.keyboard.press("Alt+ArrowDown")
    page.wait("() => document.querySelector('#watch tr[data-symbol]').dataset.symbol === 'AAPL'")
    assert page.symbols() == ["AAPL", "MSFT", "IBM"]
    page.page.goto(url)
    page.wait("() => document.querySelectorAll('#watch tr[data-symbol]').length === 3")
    assert page.symbols() == ["AAPL", "MSFT", "IBM"]


def test_columns_are_sorted_down_up_and_not(desk: Open, url: str) -> None:
    page = desk(url)
    ticks(page, "NVDA")
    page.wait("() => document.querySelectorAll('#watch tr[data-symbol]').length === 4")
    head = page.page.get_by_role("button", name="Bid")
    for order, reverse in (("descending", True), ("ascending", False)):
        head.click()
        page.wait("o => document.querySelector('th[data-key=bid]').ariaSort === o", order)
        page.page.wait_for_timeout(100)
        prices = [float(page.cell(own, "bid").strip("▲▼")) for own in page.symbols()]
        assert prices == sorted(prices, reverse=reverse)
    head.click()
    page.wait("() => document.querySelector('#watch tr[data-symbol]').dataset.symbol === 'AAPL'")
    assert page.symbols() == list(NAMES)


def test_keys_alone_select_change_the_interval_and_the_theme(desk: Open, url: str) -> None:
    page = desk(url, color_scheme="dark")
    ticks(page, "NVDA")
    keyboard = page.page.keyboard
    keyboard.press("w")
    keyboard.press("End")
    page.wait_for_text("#name", "NVDA")
    keyboard.press("ArrowUp")
    page.wait_for_text("#name", "MSFT")
    keyboard.press("3")
    page.wait("() => document.querySelector('#intervals [aria-pressed=true]').value === '1m'")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.page.evaluate(ground)
    keyboard.press("t")
    keyboard.press("t")
    assert page.page.evaluate(ground) != dark
    page.page.reload()
    ticks(page, "MSFT")
    assert page.page.evaluate(ground) != dark
    assert page.text("#intervals [aria-pressed=true]") == "1m"
    keyboard.press("?")
    assert "Apache License" in page.text("#about")
    assert "TradingView, Inc." in page.text("#about")
    keyboard.press("Escape")


def test_the_chart_has_the_logs_bars_and_the_tape_the_logs_trades_at_once(
    desk: Open, url: str
) -> None:
    page = desk(f"{url}?symbols=AAPL")
    page.wait("() => document.querySelectorAll('#trades tr').length === 40")
    page.wait("() => document.querySelector('#chart canvas')")
    assert page.page.locator("#tv-attr-logo").is_visible()
    page.wait("() => document.querySelector('#chart-note').hidden")  # until the bars have come
    times = page.page.locator("#trades .time").all_inner_texts()
    assert times == sorted(times, reverse=True)
    session = page.text("#session").split()
    assert "–" not in session


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_is_cut_off_at_the_side(desk: Open, url: str, size: dict[str, int]) -> None:
    touch = size == PHONE
    page = desk(url, size, is_mobile=touch, has_touch=touch)
    ticks(page, "MSFT")
    page.page.evaluate(
        """async () => {
            const { Table } = await import("./table.js");
            const { COLUMNS, newRow } = await import("./rows.js");
            const table = new Table(document.querySelector("#watch"), { columns: COLUMNS });
            const wide = { bid: 42760.32, ask: 42768.32, last: 42760.32, reference: 43210.12 };
            table.show(["BTC-USD", "ETH-USD"].map((symbol, at) =>
                ({ ...newRow(symbol), ...wide, volume: 123456, halted: !at, stale: !!at })));
        }"""
    )
    assert (
        page.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
        == [size["width"]] * 2
    )
    hidden = """() => [...document.querySelectorAll('#watch :is(td, th, em), #top > *, #detail *')]
        .map((own) => [own.className || own.id, own.getBoundingClientRect()])
        .filter(([_, { width, right }]) => width > 0 && right > innerWidth + 1)"""
    assert page.page.evaluate(hidden) == []


def test_who_wants_less_movement_sees_no_flash(desk: Open, url: str) -> None:
    page = desk(f"{url}?symbols=AAPL", reduced_motion="reduce")
    page.page.evaluate(
        "() => { window.flashed = 0; new MutationObserver((all) => { for (const { target } of all)"
        " window.flashed += target.classList.contains('flash'); })"
        ".observe(document.querySelector('#watch'), { subtree: true, attributes: true }); }"
    )
    for _ in range(3):
        ticks(page, "AAPL")
    assert page.page.evaluate("window.flashed") == 0
    assert page.page.locator("#watch .up, #watch .down").count() > 0


def test_markup_from_anywhere_is_shown_as_text(desk: Open, url: str) -> None:
    page = desk(f"{url}?symbols=AAPL")
    ticks(page, "AAPL")
    page.type(EVIL)
    page.wait_for_text("#news", EVIL.split()[0])
    page.page.evaluate(
        """async (evil) => {
            const { Table } = await import("./table.js");
            const { COLUMNS, newRow } = await import("./rows.js");
            const table = new Table(document.querySelector("#watch"), { columns: COLUMNS });
            table.show([{ ...newRow(evil), stale: true, reason: evil }]);
        }""",
        EVIL,
    )
    assert EVIL in page.text("#watch")
    assert page.page.locator("#watch img").count() == 0


def test_a_halt_is_marked_with_its_reason_and_its_end_is_not(desk: Open, tmp_path: Path) -> None:
    everybody = ("--anonymous-publish", "*")
    with serving(tmp_path, "--simulate", "AAPL,IBM", *everybody) as feed:
        url = f"http://127.0.0.1:{feed.port}/"
        page = desk(f"{url}?symbols=IBM,AAPL")
        ticks(page, "IBM")
        page.page.click('#watch tr[data-symbol="IBM"]')  # or it is AAPL, if that ticked before
        publish(url, {"type": "status", "symbol": "IBM", "status": "halted", "reason": EVIL})
        page.wait("() => document.querySelector('tr.halted .mark')?.textContent === 'halt'")
        assert page.symbols() == ["IBM", "AAPL"]
        assert page.page.locator("tr.halted").count() == 1
        page.wait(STATUS_IS % json.dumps(f"halted: {EVIL}"))
        publish(url, {"type": "status", "symbol": "IBM", "status": "trading"})
        page.wait("() => !document.querySelector('tr.halted')")
        page.wait(STATUS_IS % '""')


def test_of_the_first_rows_the_first_in_the_list_is_selected_unless_a_person_chose(
    desk: Open, tmp_path: Path
) -> None:
    """Time stands still in the page, so that the rows come at the start however slow it is."""
    still = ("performance.now = () => 1000;",)
    with serving(tmp_path, "--simulate", "Z", "--anonymous-publish", "*") as feed:
        url = f"http://127.0.0.1:{feed.port}/"
        page = desk(f"{url}?symbols=A,B,C", scripts=still)
        wait_for(lambda: subscriptions(url) == 9, "three channels of three names")
        for symbol in "CB":
            publish(url, {"type": "trade", "symbol": symbol, "price": 5, "size": 1})
            page.wait_for_text("#name", symbol)
        page.page.click('#watch tr[data-symbol="C"]')
        page.wait_for_text("#name", "C")
        publish(url, {"type": "trade", "symbol": "A", "price": 7.25, "size": 1})
        page.wait_for_text('#watch tr[data-symbol="A"] .last', "7.25")
        assert page.text("#name") == "C"


def test_a_server_that_is_killed_is_waited_for_and_what_was_missed_is_accounted_for(
    desk: Open, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with keeping(tmp_path, port) as feed:
        page = desk(f"{url}?symbols=AAPL,MSFT")
        ticks(page, "AAPL")
        page.excuse(lambda text: "ERR_CONNECTION_REFUSED" in text or "WebSocket" in text)
        feed.process.send_signal(signal.SIGTERM)
        page.wait_for_text("#state", "reconnecting")
        assert "Reconnecting" in page.text("#news")
        feed.process.wait(20)
    with keeping(tmp_path, port):
        page.page.keyboard.press("r")
        page.wait_for_text("#state", "live")
        ticks(page, "AAPL")
        page.wait("() => /^[1-9]/.test(document.querySelector('[data-key=resumed]').textContent)")
        assert page.text("[data-key=gaps]") == "0"
        assert page.text("[data-key=reconnects]") == "1"
        assert page.page.locator("#news").is_hidden()


@pytest.mark.timeout(150)
def test_a_browser_that_is_too_slow_gets_the_newest_trades_and_says_so(
    desk: Open, tmp_path: Path
) -> None:
    small = ("--outbox-limit-bytes", "262144", "--send-buffer-bytes", "16384")
    market = ("--simulate", "AAPL,IBM", "--rate", "10000", "--anonymous-admin")
    busy = "() => { const end = performance.now() + 5000; while (performance.now() < end); }"

    def volume_is_the_servers(page: Desk) -> None:
        post(f"{url}v1/sources/simulate", {"action": "pause"})
        session = get(f"{url}v1/snapshot?symbols=AAPL")["snapshots"][0]["session"]
        total = session["volume"]
        text = f"{total / 1e6:.2f}M" if total >= 1e6 else f"{total:,}"
        # A browser that was sent away again comes back within half a minute.
        page.page.wait_for_function(
            "([at, text]) => document.querySelector(at).textContent === text",
            arg=['#watch tr[data-symbol="AAPL"] .volume', text],
            polling=50,
            timeout=45_000,
        )
        post(f"{url}v1/sources/simulate", {"action": "resume"})

    with serving(tmp_path, *market, *small) as feed:
        url = f"http://127.0.0.1:{feed.port}/"
        page = desk(url)
        ticks(page, "AAPL")
        page.page.evaluate(busy)
        page.wait_for_text("#news", "too slow for every trade")
        page.wait_for_text("[data-key=trades]", "the newest")
        page.wait_for_text("#state", "live")
        volume_is_the_servers(page)
        page.page.keyboard.press("r")
        page.wait_for_text("[data-key=trades]", "each one")
        volume_is_the_servers(page)
        assert "closed with 4001" in feed.log


def test_without_the_chart_library_the_page_says_so_and_the_rest_works(
    desk: Open, url: str
) -> None:
    page = desk(f"{url}?symbols=IBM")
    page.excuse(lambda text: "404" in text)
    page.page.route(
        "**/lightweight-charts.js", lambda route: route.fulfill(status=404, body="none")
    )
    page.page.reload()
    page.wait_for_text("#chart-note", "pip install 'feed[charts]'")
    ticks(page, "IBM")


def test_two_hundred_rows_are_scrolled_with_a_few_lines_in_the_page(
    desk: Open, tmp_path: Path
) -> None:
    with serving(tmp_path, "--simulate", "200", "--rate", "2000") as feed:
        page = desk(f"http://127.0.0.1:{feed.port}/")
        ticks(page, "S000")
        page.wait("() => document.querySelector('#watch').scrollHeight > 200 * 20")
        page.page.focus("#watch table")
        page.page.keyboard.press("End")
        ticks(page, "S199")
        assert len(page.symbols()) < 60
        assert page.text("#name") == "S199"


def test_a_feed_that_asks_for_a_token_is_shown_one(desk: Open, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    made = run("keys", "create", "desk-2", "--symbols", "AAPL,IB*", "--file", str(keys))
    assert made.returncode == 0, made.stderr
    (key,) = re.findall(r"(?m)^(\S{20,})$", made.stdout)
    required = ("--authentication", "required", "--api-keys", str(keys))
    with serving(tmp_path, "--simulate", ",".join(NAMES), *required) as feed:
        page = desk(f"http://127.0.0.1:{feed.port}/")
        page.wait("() => document.querySelector('#token').open")
        page.page.fill("#secret", "not-a-key")
        page.page.keyboard.press("Enter")
        page.wait_for_text("#news", "the key is unknown or was revoked")
        page.page.fill("#secret", key)
        page.page.keyboard.press("Enter")
        ticks(page, "AAPL")
        page.wait("() => document.querySelectorAll('#trades tr').length > 1")
        page.wait("() => document.querySelectorAll('#watch tr[data-symbol]').length === 2")
        assert page.symbols() == ["AAPL", "IBM"]
        assert key not in page.page.url
        assert key not in feed.log


def test_an_admin_pauses_steps_speeds_and_seeks_and_everybody_else_has_no_bar(
    desk: Open, tmp_path: Path
) -> None:
    tape = tmp_path / "tape.csv.gz"
    market = ("--symbols", "AAPL", "--ticks", "60000", "--rate", "20", "--seed", "7")
    assert run("simulate", "--out", str(tape), *market).returncode == 0
    quick = ("--heartbeat-interval-s", "0.5")
    position = "() => document.querySelector('#playback .position').textContent"
    with serving(tmp_path, "--replay", str(tape), *quick, "--anonymous-admin") as feed:
        page = desk(f"http://127.0.0.1:{feed.port}/?symbols=AAPL")
        ticks(page, "AAPL")
        page.wait("() => !document.querySelector('#playback').hidden")
        page.page.keyboard.press("Space")
        page.wait_for_text("#playback .toggle", "Resume")
        page.wait_for_text("#sources", "paused")
        before = page.page.evaluate(position)
        page.page.click("[data-action=step]")
        page.wait(f"before => ({position})() > before", before)
        page.page.select_option("#playback .speed", "10")
        page.wait_for_text("#sources", "×10")
        page.page.fill("#playback .time", "14:50")
        page.page.keyboard.press("Enter")
        page.wait(f"() => ({position})() >= '2026-01-05 14:50'")
        page.page.click("[data-action=toggle]")
        page.wait("() => document.querySelector('#trades .time')?.textContent >= '14:50'")
        assert page.text("[data-key=gaps]") == "0"
        page.excuse(lambda text: "400" in text)
        page.page.fill("#playback .time", "yesterday")
        # Once more where word of what was done before came after the answer, and took its place.
        ask = "document.querySelector('#playback .seek').requestSubmit()"
        page.wait(f"""() => document.querySelector('#news').textContent
            .includes('time must be ISO 8601') || void {ask}""")
        page.page.goto("about:blank")
    with serving(tmp_path, "--replay", str(tape), *quick) as feed:
        page = desk(f"http://127.0.0.1:{feed.port}/?symbols=AAPL")
        page.wait_for_text("#sources", "×1")
        ticks(page, "AAPL")
        assert page.page.locator("#playback").is_hidden()
