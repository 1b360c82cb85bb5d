"""What a browser is served: the page at `/` and its files; one address is page and stream."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from tornado.web import RequestHandler

from feed.server import charts
from feed.server.websocket import StreamHandler

WEB = files("feed") / "web"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES: Final = r"/([a-z][a-z-]*\.(?:js|css|svg))"
"""The paths of the files beside the page."""

POLICY: Final = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {charts.STYLE}; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class WebHandler(RequestHandler):
    """Sends files under a policy that forbids everything else.

    Tornado adds an ETag and answers 304 to whoever has that version; `no-cache` makes browsers ask,
    so that a page is never older than its server.
    """

    def send(self, name: str, body: bytes) -> None:
        """Answer with a file."""
        self.set_header("Content-Type", TYPES[name[name.rindex(".") :]])
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")
        self.finish(body)

    def refuse(self, text: str) -> None:
        """Answer that there is no such file."""
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{text}\n")


class RootHandler(WebHandler, StreamHandler):
    """`/`: the stream for a WebSocket client, the page for a browser."""

    async def get(self, *_: Any) -> None:
        """Tell the two apart by the Upgrade header."""
        if "Upgrade" in self.request.headers:
            await StreamHandler.get(self)
        else:
            self.send("index.html", (WEB / "index.html").read_bytes())

    def head(self) -> None:
        """Answer as to a GET of the page; Tornado leaves the body out."""
        self.send("index.html", (WEB / "index.html").read_bytes())


class FileHandler(WebHandler):
    """The files beside the page. They hold no secret, and pages of any origin may import them."""

    def get(self, name: str) -> None:
        """Send one, if there is one of this name."""
        file = WEB / name
        if not file.is_file():
            return self.refuse("not found: the page is at / and the stream at /v1/stream")
        self.set_header("Access-Control-Allow-Origin", "*")
        self.send(name, file.read_bytes())

    head = get


class ChartsHandler(WebHandler):
    """The chart library, which is no part of this package."""

    def get(self, name: str) -> None:
        """Send it, or say in a sentence what has to be installed."""
        try:
            self.send(name, charts.library())
        except charts.NoCharts as error:
            self.refuse(str(error))

    head = get
