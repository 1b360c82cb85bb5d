"""Who is let in before a word is said: Host, Origin, addresses, room, and TLS."""

from __future__ import annotations

from dataclasses import dataclass, field

from tornado.httputil import HTTPServerRequest

from feed.server.access import browser_token
from feed.server.policy import Policy, Refusal
from feed.server.tls import Certificate
from feed.sessions.entitlements import NOBODY, Principal
from feed.sessions.registry import Registry


@dataclass(frozen=True, slots=True)
class Gate:
    """What is asked of a connection.

    Attributes:
        token_in_url: whether a token is taken from there.
        handshake_s: how long the handshake of TLS may take, and the headers of a request.
    """

    policy: Policy = field(default_factory=Policy)
    certificate: Certificate | None = None
    token_in_url: bool = False
    handshake_s: float = 5.0


def address_of(request: HTTPServerRequest, registry: Registry) -> str:
    """Give the address that a request counts for."""
    forwarded = ",".join(request.headers.get_list("X-Forwarded-For"))
    return registry.admission.addresses.of(request.remote_ip or "unknown", forwarded)


def unavailable(
    request: HTTPServerRequest, registry: Registry, principal: Principal | None
) -> Refusal | None:
    """Say why no session can be opened at the moment, or None; only None counts as a handshake.

    Args:
        principal: who asks, where the header said so.
    """
    limits, admission = registry.limits, registry.admission
    address = address_of(request, registry)
    if registry.draining:
        return 503, "draining", "this feed is about to stop"
    if registry.connections >= limits.sessions:
        return 503, "sessions_limit", "this feed has no room for another session"
    if not admission.addresses.has_room(address):
        return 429, "address_limit", "this address has as many sessions as it may"
    if (
        principal is None
        and registry.authority.newcomer is NOBODY
        and browser_token(request, in_url=True) is None
        and admission.sessions_of[NOBODY.name] >= limits.unauthenticated_sessions
    ):
        return 503, "unauthenticated_limit", "too many sessions have yet to authenticate"
    if not admission.addresses.may_shake(address, registry.clock.monotonic_s()):
        return 429, "handshake_limit", "too many handshakes from this address, wait a little"
    return None
