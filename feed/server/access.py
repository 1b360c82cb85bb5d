"""Who sent an HTTP request, and whether they may do what it asks."""

from __future__ import annotations

from typing import Final

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError

from feed.errors import AuthenticationError
from feed.sessions.entitlements import NOBODY, Principal
from feed.sessions.expiry import NS
from feed.sessions.registry import Registry

SUBPROTOCOL: Final = "feed.v1"
_BEARER: Final = "bearer."
_MISSING: Final = "authenticate with Authorization: Bearer TOKEN"


class Unauthorized(HTTPError):
    """A request that must say who it is from, and does not, or not well."""

    def __init__(self, told: str) -> None:
        super().__init__(401, reason=told)
        self.told = told


def header_token(request: HTTPServerRequest) -> str | None:
    """Give the token of the Authorization header, or None where there is no such header.

    Raises:
        AuthenticationError: it is not a bearer token.
    """
    value = request.headers.get("Authorization")
    if value is None:
        return None
    scheme, _, token = value.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationError("Authorization must be: Bearer TOKEN")
    return token.strip()


def browser_token(request: HTTPServerRequest, *, in_url: bool) -> str | None:
    """Give the token from where a page can put one: a subprotocol, or the URL if that is enabled.

    Raises:
        AuthenticationError: it is in the URL, which is not enabled.
    """
    for offered in subprotocols(request):
        if offered.startswith(_BEARER):
            return offered.removeprefix(_BEARER)
    tokens = request.query_arguments.get("token")
    if not tokens:
        return None
    if not in_url:
        raise AuthenticationError("no token is taken from the URL (--token-in-url allows it)")
    return tokens[-1].decode("latin-1")


def subprotocols(request: HTTPServerRequest) -> list[str]:
    """Give what a client offers in Sec-WebSocket-Protocol, in its order."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    return [own for part in offered.split(",") if (own := part.strip())]


def principal_of(request: HTTPServerRequest, registry: Registry) -> Principal:
    """Give the principal of a request, by its `Authorization: Bearer TOKEN`.

    Raises:
        HTTPError: 401, as the request must say who it is from, and does not.
    """
    authority = registry.authority
    if authority.mode == "none":
        return authority.anonymous
    try:
        token = header_token(request)
        principal = authority.newcomer if token is None else authority.identify(token)
    except AuthenticationError as error:
        raise Unauthorized(str(error)) from None
    if principal is NOBODY:
        raise Unauthorized(_MISSING)
    return principal


def renewed(principal: Principal, registry: Registry) -> Principal:
    """Give the principal of a request that takes long as it is by now; no token is read again.

    Raises:
        Unauthorized: its token has expired, or its key was revoked.
    """
    now = registry.authority.renewed(principal)
    if now is None:
        raise Unauthorized("the key was revoked")
    if now.expires_at is not None and registry.clock.now_ns() >= now.expires_at * NS:
        raise Unauthorized("the token has expired")
    return now


def require_admin(principal: Principal) -> None:
    """Let only an admin go on.

    Raises:
        HTTPError: 403.
    """
    if not principal.admin:
        raise HTTPError(403, reason="this needs an admin")
