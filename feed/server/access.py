"""Who sent an HTTP request, and whether they may do what it asks."""

from __future__ import annotations

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError

from feed.sessions.entitlements import Principal
from feed.sessions.registry import Registry


def principal_of(request: HTTPServerRequest, registry: Registry) -> Principal:
    """Give the principal of a request, by its `Authorization: Bearer TOKEN`.

    Raises:
        HTTPError: 401, as the request must say who it is from, and does not.
    """
    return registry.anonymous


def require_admin(principal: Principal) -> None:
    """Let only an admin go on.

    Raises:
        HTTPError: 403.
    """
    if not principal.admin:
        raise HTTPError(403, reason="this needs an admin")
