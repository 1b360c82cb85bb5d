"""Pages that others write: feed.js, or nothing but the browser's own WebSocket."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.running import Feed, serving
from tests.test_docs import blocks
from tests.web.account import Told, account, count
from tests.web.javascript import ROOT
from tests.web.pages import Desk
from tests.web.test_restarts import free_port, keeping

ACCOUNT = (Path(__file__).parent / "account.js").read_text("utf-8").replace("export ", "")
PLAIN = """<!doctype html><pre></pre><script>
const ws = new WebSocket("ws://127.0.0.1:8080");
ws.onopen = () => ws.send(JSON.stringify({ type: "subscribe", symbols: ["AAPL"] }));
ws.onmessage = ({ data }) => { document.querySelector("pre").textContent += data + "\\n"; };
ws.onerror = () => console.error("error");
ws.onclose = ({ code }) => { document.querySelector("pre").textContent += `closed ${code}`; };
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    with serving(tmp_path_factory.mktemp("feed"), "--simulate", "AAPL,MSFT") as running:
        yield running


@pytest.fixture
def elsewhere(tmp_path: Path, feed: Feed) -> Iterator[Callable[[str], str]]:
    """Serve pages from another origin, with the address of the feed put into them."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    Thread(target=server.serve_forever).start()

    def put(text: str) -> str:
        icon = text.replace("<pre>", '<link rel="icon" href="data:,"><pre>')
        (tmp_path / "own.html").write_text(icon.replace("127.0.0.1:8080", f"127.0.0.1:{feed.port}"))
        return f"http://127.0.0.1:{server.server_port}/own.html"

    yield put
    server.shutdown()
    server.server_close()


def test_ten_lines_of_plain_websocket_show_ticks(
    browser: object, elsewhere: Callable[[str], str]
) -> None:
    page = Desk(browser, elsewhere(PLAIN))
    page.wait("() => document.querySelector('pre').textContent.split('\\n').length > 20")
    told = page.text("pre")
    assert told.startswith('{"type":"welcome"')
    assert '"type":"quote","symbol":"AAPL"' in told
    assert "MSFT" not in told
    page.close()


@pytest.mark.parametrize(
    ("allowed", "seen"), [((), "closed 1006"), (("--allowed-origins", "null"), '"type":"quote"')]
)
def test_a_page_from_a_file_is_refused_unless_its_origin_is_allowed(
    browser: object, tmp_path: Path, allowed: tuple[str, ...], seen: str
) -> None:
    with serving(tmp_path, "--simulate", "AAPL", *allowed) as feed:
        own = tmp_path / "own.html"
        own.write_text(PLAIN.replace("8080", str(feed.port)))
        page = Desk(browser, own.as_uri())
        page.wait_for_text("pre", seen)
        page.close()


def test_the_page_of_the_javascript_document_shows_quotes(
    browser: object, elsewhere: Callable[[str], str]
) -> None:
    (example,) = blocks(ROOT / "docs" / "JAVASCRIPT.md", "html")
    page = Desk(browser, elsewhere(example.text))
    page.wait("() => /AAPL {2}[\\d.]+ {2}[\\d.]+\\n/.test(document.body.textContent)")
    page.wait("() => /MSFT {2}[\\d.]+ {2}[\\d.]+\\n/.test(document.body.textContent)")
    assert not [own for own in page.faults if not own.startswith("a request to")]
    page.close()


def test_feed_js_in_chromium_accounts_for_every_tick_over_a_restart(
    desk: Callable[..., Desk], tmp_path: Path
) -> None:
    port = free_port()

    def wait(kind: str, number: int) -> None:
        page.wait(
            "([kind, n]) => story.filter(([own]) => own === kind).length >= n", [kind, number]
        )

    with keeping(tmp_path, port) as feed:
        page = desk(f"http://127.0.0.1:{port}/?symbols=AAPL")
        page.page.evaluate(
            f"""async (url) => {{
                {ACCOUNT}
                const {{ connect }} = await import("/feed.js");
                window.story = [];
                window.own = connect(url, {{ symbols: ["AAPL", "MSFT"] }});
                tell(window.own, (told) => window.story.push(told));
                window.own.on("close", () => setTimeout(() => window.own.retry(), 200));
            }}""",
            f"ws://127.0.0.1:{port}",
        )
        wait("ticks", 50)
        page.excuse(lambda text: bool(re.search("ERR_CONNECTION|WebSocket", text)))
        feed.process.send_signal(signal.SIGKILL)
        wait("close", 1)
        feed.process.wait(20)
    with keeping(tmp_path, port):
        wait("open", 2)
        wait("ticks", page.page.evaluate("() => story.length") + 50)
        story: list[Told] = page.page.evaluate("() => { own.close(); return story; }")
    assert account(story) > 100
    assert count(story, "close", code=1006, reconnect=True) > 0
