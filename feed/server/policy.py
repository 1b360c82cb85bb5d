"""Which Host and Origin a request may have: pages of strangers and rebound names stay outside.

A browser says in Origin whose page is asking, and in Host which name it looked up. Who makes a name
of his own resolve to this machine has both equal, so Host is checked first, against names that are
known to be ours; Origin then may be the same host, or be listed.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

Refusal = tuple[int, str, str]
"""An HTTP status, a code for the metric, and a sentence."""

ANY: Final = "*"
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_ORIGIN: Final = re.compile(rf"(https?)://{_HOST.pattern}")
_PORTS: Final = {"http": 80, "https": 443}


class Place(NamedTuple):
    """A host, in lower case and without brackets, and its port if one is named."""

    host: str
    port: int | None


class Policy:
    """Decides by Host and Origin.

    Args:
        hosts: names that are ours, beside the loopback names, the machine's own name, and the
            address that was connected to; `*` takes any.
        origins: pages that may connect, such as `https://app.example`, beside those of the same
            host and of the loopback names; `*` takes any.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._hosts = {own.lower() for own in hosts} | {socket.gethostname().lower(), "localhost"}
        self._origins = {own.lower() for own in origins}

    def refusal(self, request: HTTPServerRequest) -> Refusal | None:
        """Say why a request is not taken, or None."""
        hosts = request.headers.get_list("Host")
        if not hosts and request.version == "HTTP/1.0":  # no browser, and the name is not needed
            return None
        place = _place(hosts[0]) if len(hosts) == 1 else None
        if place is None:
            return 400, "bad_host", "Host must be one name or address, with or without a port"
        if not self._is_ours(place.host, request):
            return 403, "host_refused", "this feed has another Host (--allowed-hosts lists more)"
        if not self._may_ask(request, place):
            return 403, "origin_refused", "pages of this Origin may not ask (--allowed-origins)"
        return None

    def _is_ours(self, host: str, request: HTTPServerRequest) -> bool:
        known = ANY in self._hosts or host in self._hosts or _is_loopback(host)
        return known or host == _local_address(request)

    def _may_ask(self, request: HTTPServerRequest, place: Place) -> bool:
        origins = request.headers.get_list("Origin")
        if not origins:  # no page; or a page that reads what any page may, which is nothing
            site = request.headers.get("Sec-Fetch-Site", "none")
            return request.method in ("GET", "HEAD") or site in ("none", "same-origin")
        if len(origins) > 1:
            return False
        origin = origins[0].lower()
        if ANY in self._origins or origin in self._origins:
            return True
        found = _ORIGIN.fullmatch(origin)
        if found is None:
            return False
        asking = _place(origin.partition("://")[2])
        return asking is not None and (
            _is_loopback(asking.host) or _same(asking, place, _PORTS[found[1]])
        )


def _place(text: str) -> Place | None:
    found = _HOST.fullmatch(text)
    if found is None or int(found[2] or 0) > 65_535:
        return None
    host = found[1].lower().strip("[]").removesuffix(".")
    return Place(host, int(found[2]) if found[2] else None)


def _same(one: Place, other: Place, default: int) -> bool:
    return one.host == other.host and (one.port or default) == (other.port or default)


@lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _local_address(request: HTTPServerRequest) -> str:
    """Give the address of this machine that was connected to; empty where it is not known."""
    stream = getattr(request.connection, "stream", None)
    try:
        return str(stream.socket.getsockname()[0]) if stream is not None else ""
    except (OSError, AttributeError):
        return ""


class RefusalHandler(RequestHandler):
    """Answers what is refused before its path is looked at."""

    def initialize(self, refusal: Refusal) -> None:
        """Take what is to be said."""
        self._refusal = refusal

    def prepare(self) -> None:
        """Say it."""
        status, code, told = self._refusal
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{code}: {told}\n")
