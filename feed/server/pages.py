"""What a browser is served: the page at `/` and its files; one address is page and stream."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from tornado.web import RequestHandler

from feed.server.websocket import StreamHandler

WEB = files("feed") / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self' ws: wss:; frame-ancestors 'none'"
)


def send_file(handler: RequestHandler, name: str) -> None:
    """Answer with one file of `feed/web`, under a policy that forbids everything else."""
    handler.set_header("Content-Type", TYPES[name[name.rindex(".") :]])
    handler.set_header("Content-Security-Policy", POLICY)
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.finish((WEB / name).read_bytes())


class RootHandler(StreamHandler):
    """`/`: the stream for a WebSocket client, the page for a browser."""

    async def get(self, *_: Any) -> None:
        """Tell the two apart by the Upgrade header."""
        if "Upgrade" in self.request.headers:
            await super().get()
        else:
            send_file(self, "index.html")


class FileHandler(RequestHandler):
    """The files beside the page."""

    def get(self, name: str) -> None:
        """Send one; the route names those that exist."""
        send_file(self, name)
