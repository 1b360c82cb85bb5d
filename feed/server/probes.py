"""What supervisors, load balancers and Prometheus ask: is it alive, may it have clients, how is it.

None of the three asks who wants to know; docs/OPERATING.md says how to keep them private.
"""

from __future__ import annotations

from tornado.web import RequestHandler

from feed.protocol.codec import encode
from feed.server.exposition import Exposition, Sources
from feed.sessions.registry import Registry


class ProbeHandler(RequestHandler):
    """An answer that nobody may keep."""

    def initialize(self, registry: Registry, sources: Sources) -> None:
        """Take what the application was built with."""
        self._registry = registry
        self._sources = sources
        self.set_header("Cache-Control", "no-store")

    def say(self, **fields: object) -> None:
        """Answer with a JSON object."""
        self.set_header("Content-Type", "application/json")
        self.finish(encode(fields) + b"\n")


class HealthHandler(ProbeHandler):
    """`/healthz`: 200 while the event loop turns; who gets no answer should restart the process."""

    def get(self) -> None:
        """Say so."""
        self.say(status="ok")


class ReadyHandler(ProbeHandler):
    """`/readyz`: 200 while new clients are welcome and get ticks, else 503 and why not."""

    def get(self) -> None:
        """Tell every reason that holds."""
        reasons = list(self._reasons())
        self.set_status(503 if reasons else 200)
        self.say(ready=not reasons, reasons=reasons, sources=self._states())

    def _states(self) -> dict[str, str]:
        return {own.name: own.state for own in self._sources()}

    def _reasons(self) -> list[str]:
        reasons = ["draining"] if self._registry.draining else []
        if "live" not in self._states().values():
            reasons.append("no source is live")
        return reasons


class MetricsHandler(RequestHandler):
    """`/metrics`: see `feed.server.exposition`."""

    def initialize(self, exposition: Exposition) -> None:
        """Take what the application was built with."""
        self._exposition = exposition

    def get(self) -> None:
        """Give the page in the format that is asked for."""
        text, content_type = self._exposition.text(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-store")
        self.finish(text)
