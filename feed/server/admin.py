"""`/v1/sessions`: who is connected, and sending somebody home; for admins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from feed import codes
from feed.codes import CloseCode
from feed.protocol.describe import describe
from feed.server.access import require_admin
from feed.server.rest import NOT_FOUND, ApiHandler, Parse, Refused, whole
from feed.sessions.entitlements import Principal
from feed.sessions.registry import Registry
from feed.sessions.session import Session

PAGE = 1_000
"""How many sessions one answer holds at most."""


class Kick(msgspec.Struct):
    """What may be asked of a session: to go, and perhaps to come back."""

    action: Literal["kick"]
    reconnect: bool = False


class AdminHandler(ApiHandler):
    """An endpoint for admins."""

    def asks(self) -> Principal:
        """Give the principal, which must be an admin."""
        principal = super().asks()
        require_admin(principal)
        return principal


class SessionsHandler(AdminHandler):
    """`GET /v1/sessions`: those that are open, by name."""

    parameters: Mapping[str, Parse] = {"limit": whole(1, PAGE)}

    def get(self) -> None:
        """List them."""
        limit = self.query.get("limit", PAGE)
        sessions = sorted(self.registry, key=lambda own: own.name)
        self.say({"sessions": [_told(own) for own in sessions[:limit]], "total": len(sessions)})


class SessionHandler(AdminHandler):
    """`POST /v1/sessions/NAME` with `{"action":"kick"}`: end one session."""

    async def post(self, name: str) -> None:
        """Close it with 4502, or with 4000 where it may come back."""
        try:
            kick = msgspec.json.decode(self.request.body, type=Kick)
        except (ValueError, RecursionError):
            text = 'the body must be like {"action":"kick","reconnect":false}'
            raise Refused(400, codes.BAD_MESSAGE, text) from None
        session = self._find(name)
        code = CloseCode.DRAINING if kick.reconnect else CloseCode.NOT_ENTITLED
        session.close(code, "ended by an admin")
        self.say({"session": name, "code": int(code)})

    def _find(self, name: str) -> Session:
        found = next((own for own in self.registry if own.name == name), None)
        if found is None:
            raise Refused(404, NOT_FOUND, f"no session has the name {describe(name)}")
        return found


def _told(session: Session) -> dict[str, Any]:
    return {
        "session": session.name,
        "principal": session.principal.name,
        "address": session.address,
        "delay_s": session.principal.delay_s,
        "expires_at": session.principal.expires_at,
        "subscriptions": len(session.subscriptions),
        "queued_bytes": session.delivery.queued_bytes,
    }


def routes(registry: Registry) -> Iterator[tuple[str, type, dict[str, Any]]]:
    """Give the routes of this module."""
    yield r"/v1/sessions", SessionsHandler, {"registry": registry}
    yield r"/v1/sessions/([0-9a-f]{1,16})", SessionHandler, {"registry": registry}
