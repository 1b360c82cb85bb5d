"""A person's day at the dashboard in a minute: an hour of a tape, and all that happens in one."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chaos import Chaos, chaos
from tests.integration.running import Feed, run, serving, wait_for
from tests.web.pages import Desk
from tests.web.test_dashboard import get, post, ticks
from tests.web.test_restarts import free_port
from tests.web.wire import RECORD, TAKE, Account

SYMBOLS: Final = "AAPL,AMZN,GOOG,IBM,MSFT,NVDA,TSLA,XOM"
HOUR: Final = str(60 * 60 * 40)
"""How many ticks of the tape are an hour."""

PLAYED: Final = ("--speed", "60", "--loop", "--heartbeat-interval-s", "0.5")
ALLOWED: Final = ("--anonymous-admin", "--anonymous-publish", "*")
HIDE: Final = """
const frame = window.requestAnimationFrame.bind(window), held = [];
window.requestAnimationFrame = (act) => (document.hidden ? held.push(act) : frame(act));
window.hide = (hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
    if (!hidden) held.splice(0).forEach(frame);
};
"""
"""A tab in the background is not painted: headless Chromium has none, so this makes one."""

FAULTS_OF_THE_NETWORK: Final = re.compile(r"net::ERR_|WebSocket connection|status of 50[03]")
HEAP_GROWTH_MB: Final = 2.0
NODES_GROWTH: Final = 600


@contextmanager
def network(port: int) -> Iterator[Callable[[Callable[[Chaos], Any]], int]]:
    """Stand between a page and a port, on a loop of its own; gives how to do something to it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    standing = chaos(port)
    proxy = asyncio.run_coroutine_threadsafe(standing.__aenter__(), loop).result()

    def do(act: Callable[[Chaos], Any]) -> int:
        loop.call_soon_threadsafe(act, proxy)
        return proxy.port

    yield do
    asyncio.run_coroutine_threadsafe(standing.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


WATCH_FOR_CUT = """() => {
    window.wasCut = false;
    new MutationObserver(() => (window.wasCut ||= document.body.classList.contains("cut"))).observe(
        document.body, { attributes: true });
}"""


class Day:
    """A page, the feed it watches, and whatever a day brings."""

    def __init__(self, desk: Callable[..., Desk], folder: Path, act: Any, port: int) -> None:
        self._act = act
        self._folder = folder
        self._port = port
        self._running = ExitStack()
        self.account = Account()
        self.feed = self._start()
        url = f"http://127.0.0.1:{act(lambda _: None)}/"
        self.desk = desk(f"{url}?symbols=AAPL,IBM,MSFT", scripts=(RECORD, HIDE))
        self.desk.excuse(lambda text: bool(FAULTS_OF_THE_NETWORK.search(text)))
        self.page = self.desk.page
        self._devtools = self.desk.context.new_cdp_session(self.page)
        self._devtools.send("Performance.enable")

    @property
    def url(self) -> str:
        """Where the feed is, past the network."""
        return f"http://127.0.0.1:{self._port}/"

    def _start(self) -> Feed:
        tape = ("--replay", str(self._folder / "tape.parquet"), *PLAYED)
        kept = ("--port", str(self._port), "--state-dir", str(self._folder / "state"))
        return self._running.enter_context(serving(self._folder, *tape, *kept, *ALLOWED))

    def end(self) -> None:
        self._running.close()

    # What a person does

    def live(self) -> None:
        """Wait until the page is live, painted, and the selected symbol ticks."""
        self.page.keyboard.press("r")
        self.desk.wait_for_text("#state", "live")
        self.desk.wait("() => document.querySelector('tr[aria-selected=true]')")
        ticks(self.desk, self.desk.text("#name"))
        self.account.take(self.page.evaluate(TAKE))

    def arranges_the_list(self) -> None:
        """Add, order, sort and remove."""
        keyboard = self.page.keyboard
        self.desk.type("NVDA TSLA")
        ticks(self.desk, "NVDA")
        self.desk.type("X*")
        ticks(self.desk, "XOM")
        keyboard.press("Escape")
        keyboard.press("w")
        for key in ("Home", "Alt+ArrowDown", "ArrowDown", "PageDown", "End"):
            keyboard.press(key)
        for _ in range(3):
            self.page.get_by_role("button", name="Chg %").click()
        before = self.desk.symbols()
        keyboard.press("w")
        keyboard.press("Delete")
        self.desk.wait("n => document.querySelectorAll('tr[data-symbol]').length < n", len(before))
        self.live()

    def looks_around(self) -> None:
        """Look at each interval, the keys, and the other theme."""
        for key in "23451?":
            self.page.keyboard.press(key)
        self.page.keyboard.press("Escape")
        for _ in range(3):
            self.page.keyboard.press("t")
        self.live()

    def moves_the_replay(self) -> None:
        """Pause, step, go elsewhere: another epoch; and on."""
        self.page.click("[data-action=toggle]")
        self.desk.wait_for_text("#sources", "replay paused")
        self.page.click("[data-action=step]")
        before = self.desk.text("[data-key=session]")
        self.page.fill("#playback .time", "14:40")
        self.page.keyboard.press("Enter")
        self.desk.wait(
            "() => document.querySelector('.position').textContent >= '2026-01-05 14:40'"
        )
        self.page.click("[data-action=toggle]")
        self.page.evaluate("document.activeElement.blur()")
        self.live()
        assert self.desk.text("[data-key=session]") == before

    # What the world does

    def halts(self) -> None:
        """Halt a symbol, and let it trade again."""
        symbol = self.desk.symbols()[0]
        for status, number in (("halted", 1), ("trading", 0)):
            post(f"{self.url}v1/ticks", {"type": "status", "symbol": symbol, "status": status})
            self.desk.wait("n => document.querySelectorAll('tr.halted').length === n", number)

    def stalls(self) -> None:
        """Let nothing through until the page has given the connection up."""
        self._act(lambda proxy: proxy.flowing.clear())
        self.desk.wait_for_text("#news", "no heartbeat")
        self._act(lambda proxy: proxy.flowing.set())
        self.live()

    def cuts(self) -> None:
        """Reset the connection; the page may be back before anybody has looked."""
        self.page.evaluate(WATCH_FOR_CUT)
        self._act(lambda proxy: proxy.cut())
        self.desk.wait("() => window.wasCut")
        self.live()

    def restarts(self, number: int) -> None:
        """End the feed, behind the page's back where it is killed, and start it again."""
        self.page.evaluate("hidden => hide(hidden)", number == signal.SIGKILL)
        self.feed.process.send_signal(number)
        self.feed.process.wait(20)
        self._running.close()
        self.desk.wait("() => document.body.classList.contains('cut')")
        self.feed = self._start()
        self.page.evaluate("() => hide(false)")
        self.live()

    # What is left of it all

    def adds_up(self) -> None:
        """Check that what was lost is accounted for, and that no more is sent than is watched."""
        post(f"{self.url}v1/sources/replay", {"action": "pause"})
        wait_for(lambda: self.shown() == self.account.figures, f"{self.account.figures}")
        assert all(getattr(own, "told", False) for own in self.account.told), self.account.told
        post(f"{self.url}v1/sources/replay", {"action": "resume"})
        entries = self.page.evaluate("localStorage['feed.watchlist'].split(' ')")
        streams = {name: sorted(own) for name, own in self.account.subscriptions.items()}
        bars = streams.pop("bars")
        assert streams == dict.fromkeys(("quotes", "trades", "status"), sorted(entries))
        assert bars == [self.desk.text("#name")]
        own = self.desk.text("[data-key=session]")
        (held,) = (
            session["subscriptions"]
            for session in get(f"{self.url}v1/sessions")["sessions"]
            if session["session"] == own
        )
        assert held == 3 * len(entries) + 1

    def shown(self) -> dict[str, str]:
        """Give the page's own counts, after the account has caught up."""
        self.account.take(self.page.evaluate(TAKE))
        return {name: self.desk.text(f"[data-key={name}]") for name in self.account.figures}

    def size(self) -> tuple[float, float]:
        """Give the page's memory in MB, after a collection of garbage, and its nodes."""
        for _ in range(2):
            self._devtools.send("HeapProfiler.collectGarbage")
        heap = self._devtools.send("Runtime.getHeapUsage")["usedSize"] / 1e6
        told = self._devtools.send("Performance.getMetrics")["metrics"]
        return heap, next(own["value"] for own in told if own["name"] == "Nodes")


@pytest.fixture
def day(desk: Callable[..., Desk], tmp_path: Path) -> Iterator[Day]:
    tape = ("--out", str(tmp_path / "tape.parquet"), "--symbols", SYMBOLS, "--seed", "7")
    assert run("simulate", *tape, "--ticks", HOUR, "--rate", "40").returncode == 0
    port = free_port()
    with network(port) as act:
        own = Day(desk, tmp_path, act, port)
        yield own
        own.end()


@pytest.mark.parametrize(
    "rounds", [1, pytest.param(6, marks=[pytest.mark.soak, pytest.mark.timeout(290)])]
)
def test_a_day_leaves_nothing_unexplained_and_nothing_behind(day: Day, rounds: int) -> None:
    day.live()
    sizes = []
    for _ in range(rounds):
        day.arranges_the_list()
        day.looks_around()
        day.halts()
        day.moves_the_replay()
        day.stalls()
        day.restarts(signal.SIGTERM)
        day.cuts()
        day.restarts(signal.SIGKILL)
        day.adds_up()
        sizes.append(day.size())
    (heap, nodes), (last_heap, last_nodes) = sizes[0], sizes[-1]
    assert last_heap - heap < HEAP_GROWTH_MB
    assert last_nodes - nodes < NODES_GROWTH
