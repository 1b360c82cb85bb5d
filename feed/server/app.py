"""The HTTP application: its routes, and the listening sockets that become sessions."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.netutil import bind_sockets
from tornado.web import Application, OutputTransform, RequestHandler

from feed.errors import ListenError
from feed.history.archive import Archive
from feed.history.log import History
from feed.logs import ACCESS
from feed.metrics import Metrics
from feed.recorder import Recorder
from feed.server import admin, control, descriptors, publishing, reads
from feed.server.entrance import Entrance
from feed.server.exposition import Exposition, Sources
from feed.server.gate import Gate
from feed.server.listener import Listener
from feed.server.pages import FILES, ChartsHandler, FileHandler, RootHandler
from feed.server.policy import Policy, RefusalHandler
from feed.server.probes import HealthHandler, MetricsHandler, ReadyHandler
from feed.server.rest import UnknownHandler
from feed.server.turn import Turn
from feed.server.websocket import StreamHandler
from feed.sessions.registry import Registry

access_log = logging.getLogger(ACCESS)

BACKLOG = 4096
"""Handshakes the kernel keeps waiting: when all clients come back at once, none need try again."""


class NotFoundHandler(RequestHandler):
    """Every other path."""

    def prepare(self) -> None:
        """Answer in one line."""
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("not found: the page is at / and the stream at /v1/stream\n")


def log_access(request: HTTPServerRequest, status: int) -> None:
    """Write one line for a finished request; its query is left out, as a token may be in it."""
    if not access_log.isEnabledFor(logging.INFO):
        return
    told = {
        "status": status,
        "method": request.method,
        "path": ascii(request.path[:200])[1:-1],
        "peer": request.remote_ip,
        "ms": round(request.request_time() * 1000, 3),
    }
    text = "%(status)d %(method)s %(path)s from %(peer)s in %(ms)g ms"
    access_log.info(text, told, extra=told)


class Nameless(OutputTransform):
    """Leaves out of an answer which program made it, and in which version."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Go through an answer before it is sent."""
        headers.pop("Server", None)
        return status_code, headers, chunk


class GuardedApplication(Application):
    """Looks at Host and Origin before it looks at the path."""

    policy: Policy
    metrics: Metrics

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Find who answers a request."""
        refused = self.policy.refusal(request)
        if refused is None:
            return super().find_handler(request, **kwargs)
        self.metrics.refuse(refused[1])
        return self.get_handler_delegate(request, RefusalHandler, {"refusal": refused})


def application(
    entrance: Entrance, sources: Sources = lambda: (), recorder: Recorder | None = None
) -> Application:
    """Build the routes."""
    registry = entrance.registry
    shared = {"entrance": entrance}
    probed = {"registry": registry, "sources": sources}
    observed = {"registry": registry, "exposition": Exposition(registry, sources, recorder)}
    metrics = registry.hub.metrics
    archive = Archive(recorder.folder, recorder.flush) if recorder else None
    history = History(registry.hub, lambda: registry.epoch, registry.clock, archive)

    def log_request(handler: RequestHandler) -> None:
        """Count a finished request, and write one line if that is wanted."""
        request, status = handler.request, handler.get_status()
        metrics.requests[status] = metrics.requests.get(status, 0) + 1
        metrics.request.observe(request.request_time())
        log_access(request, status)

    guarded = GuardedApplication(
        [
            (r"/", RootHandler, shared),
            (r"/v1/stream", StreamHandler, shared),
            (r"/(favicon)\.ico", FaviconHandler),
            (r"/healthz", HealthHandler, {"registry": registry}),
            (r"/readyz", ReadyHandler, probed),
            (r"/metrics", MetricsHandler, observed),
            *reads.routes(registry, history),
            *publishing.routes(registry),
            *admin.routes(registry),
            *control.routes(registry, sources),
            (r"/v1/.+", UnknownHandler, {"registry": registry}),
            (r"/(lightweight-charts\.js)", ChartsHandler),
            (FILES, FileHandler),
        ],
        transforms=[Nameless],
        default_handler_class=NotFoundHandler,
        log_function=log_request,
    )
    guarded.policy, guarded.metrics = entrance.gate.policy, metrics
    return guarded


class FaviconHandler(RequestHandler):
    """Browsers ask for it; the page names its own icon."""

    def get(self, _: str) -> None:
        """Point to the icon."""
        self.redirect("/feed.svg", permanent=True)


def bind(host: str, port: int, send_buffer_bytes: int) -> list[socket.socket]:
    """Open the listening sockets; accepted sockets inherit the bound on their send buffer.

    Raises:
        ListenError: the address cannot be had; the message says why.
    """
    try:
        sockets = bind_sockets(port, host, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:  # the latter of a name that is no name, such as ".."
        reason = getattr(error, "strerror", None) or str(error)
        text = f"cannot listen on {host}:{port}: {reason.lower()} (choose another with --port)"
        raise ListenError(text) from None
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    return sockets


def listen(
    registry: Registry,
    sockets: list[socket.socket],
    sources: Sources = lambda: (),
    recorder: Recorder | None = None,
    gate: Gate | None = None,
) -> Listener:
    """Start to accept connections."""
    gate = gate or Gate()
    entrance = Entrance(registry, Turn(asyncio.get_running_loop()), gate)
    server = HTTPServer(
        application(entrance, sources, recorder),
        idle_connection_timeout=gate.handshake_s,
        body_timeout=10,
        max_header_size=16_384,
        max_body_size=65_536,
    )
    tls = gate.certificate.context if gate.certificate else None
    return Listener(server, sockets, descriptors.limit(), tls, entrance)
