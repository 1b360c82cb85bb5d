"""What supervisors, load balancers and Prometheus ask: is it alive, may it have clients, how is it.

Whether it is alive and ready is told to everybody; docs/OPERATING.md says how to keep that private.
"""

from __future__ import annotations

from feed.server.exposition import Exposition, Sources
from feed.server.rest import ApiHandler
from feed.sessions.entitlements import Principal
from feed.sessions.registry import Registry


class HealthHandler(ApiHandler):
    """`/healthz`: 200 while the event loop turns; who gets no answer should restart the process."""

    def asks(self) -> Principal:
        """Ask nobody."""
        return self.registry.authority.anonymous

    def get(self) -> None:
        """Say so."""
        self.set_header("Cache-Control", "no-store")
        self.say({"status": "ok"})


class ReadyHandler(HealthHandler):
    """`/readyz`: 200 while new clients are welcome and get ticks, else 503 and why not."""

    def initialize(self, registry: Registry, sources: Sources) -> None:  # type: ignore[override]
        """Take what the application was built with."""
        super().initialize(registry)
        self._sources = sources

    def get(self) -> None:
        """Tell every reason that holds."""
        states = {own.name: own.state for own in self._sources()}
        reasons = ["draining"] if self.registry.draining else []
        if "live" not in states.values():
            reasons.append("no source is live")
        self.set_status(503 if reasons else 200)
        self.set_header("Cache-Control", "no-store")
        self.say({"ready": not reasons, "reasons": reasons, "sources": states})


class MetricsHandler(ApiHandler):
    """`/metrics`: see `feed.server.exposition`."""

    def initialize(self, registry: Registry, exposition: Exposition) -> None:  # type: ignore[override]
        """Take what the application was built with."""
        super().initialize(registry)
        self._exposition = exposition

    def get(self) -> None:
        """Give the page in the format that is asked for."""
        text, content_type = self._exposition.text(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-store")
        self.finish(text)
