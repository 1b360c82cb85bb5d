"""What all HTTP endpoints for programs share: who asks, what with, and how a mistake is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tornado.web import HTTPError, RequestHandler

from feed import codes
from feed.protocol.codec import encode
from feed.protocol.describe import describe
from feed.protocol.messages import ErrorMessage
from feed.server.access import principal_of
from feed.sessions.entitlements import Principal
from feed.sessions.registry import Registry
from feed.settings.parse import moment
from feed.symbols import SYMBOL_GRAMMAR, symbol_ok
from feed.ticks import CHANNELS

log = logging.getLogger(__name__)

Parse = Callable[[str], Any]

METHODS: Final = ("get", "post")

# Error codes that only HTTP has; docs/HTTP.md explains each.
BAD_PARAMETER: Final = "bad_parameter"
UNAUTHENTICATED: Final = "unauthenticated"
NOT_FOUND: Final = "not_found"
BAD_METHOD: Final = "bad_method"
NOT_ACCEPTABLE: Final = "not_acceptable"
BUSY: Final = "busy"
INTERNAL_ERROR: Final = "internal_error"

NS: Final = re.compile(r"-?[0-9]{1,19}")
DATED: Final = re.compile(r"[0-9]{4}-.*")
FRACTION: Final = re.compile(r"(.*T[0-9:]+)\.([0-9]{7,9})(.*)")
"""Finer than a microsecond, which is as far as the standard library reads."""
LOST_PLUS: Final = re.compile(r"(.*T[0-9:.,]+) ([0-9]{2}:?[0-9]{2})")
"""`+` in an address means a space; who writes `+01:00` there does not mean that."""


class Refused(HTTPError):
    """A request that gets no answer but why.

    Args:
        code: one of `feed.codes`, or of this module.
        message: a sentence for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status)
        self.code = code
        self.message = message


class ApiHandler(RequestHandler):
    """One endpoint; answers JSON, mistakes too.

    Attributes:
        parameters: what may be in the query, and how each is read.
        principal: who asks.
    """

    parameters: Mapping[str, Parse] = {}

    def initialize(self, registry: Registry) -> None:
        """Take what the application was built with."""
        self.registry = registry

    def prepare(self) -> None:
        """Find out who asks, and read the query."""
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "private, no-cache")
        if self.request.method not in self.methods:
            raise HTTPError(405)
        self.principal = self.asks()
        self.query = {name: self._read(name, own) for name, own in self._given().items()}

    def asks(self) -> Principal:
        """Give the principal that asks.

        Raises:
            HTTPError: it must say who it is, and does not.
        """
        return principal_of(self.request, self.registry)

    @property
    def methods(self) -> list[str]:
        """What this address takes."""
        own = [name.upper() for name in METHODS if name in vars(type(self))]
        return [*own, "HEAD"] if "GET" in own else own

    def head(self, *path: str) -> Any:
        """Answer as to GET; Tornado leaves the body out."""
        return self.get(*path)

    def _given(self) -> dict[str, str]:
        given = {name: self.get_query_arguments(name) for name in self.request.query_arguments}
        for name, values in given.items():
            if name not in self.parameters:
                allowed = ", ".join(self.parameters) or "none"
                text = f"query has an unknown parameter {describe(name)}, allowed: {allowed}"
                raise Refused(400, BAD_PARAMETER, text)
            if len(values) > 1:
                raise Refused(400, BAD_PARAMETER, f"{name} must be given once")
        return {name: values[0] for name, values in given.items()}

    def _read(self, name: str, value: str) -> Any:
        try:
            return self.parameters[name](value)
        except ValueError as error:
            text = f"{name} {error}, was {describe(value)}"
            raise Refused(400, BAD_PARAMETER, text) from None

    def say(self, value: object) -> None:
        """Answer with JSON; the answer has an ETag, and may be 304."""
        self.finish(encode(value) + b"\n")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tell a mistake as the stream does."""
        error = kwargs.get("exc_info", (None, None))[1]
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        if status_code == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        if status_code == 503:
            self.set_header("Retry-After", "1")
        if status_code == 405:
            self.set_header("Allow", ", ".join(self.methods))
        self.finish(encode(_told(status_code, error)) + b"\n")

    def log_exception(self, *error: Any) -> None:
        """Log what went wrong here; a mistake of the peer is answered, and no more."""
        if not isinstance(error[1], HTTPError):
            super().log_exception(*error)


def _told(status: int, error: BaseException | None) -> ErrorMessage:
    if isinstance(error, Refused):
        return ErrorMessage(error.code, error.message)
    reason = getattr(error, "reason", None)
    known = {
        401: (UNAUTHENTICATED, reason or "send Authorization: Bearer TOKEN"),
        403: (codes.NOT_ENTITLED, reason or "this is not for you"),
        404: (NOT_FOUND, "no such address, see /v1/openapi.json"),
        405: (BAD_METHOD, "this address does not take this method, see Allow"),
        500: (INTERNAL_ERROR, "internal error, see the log of the feed"),
    }
    code, message = known.get(status, (BAD_PARAMETER, reason or "the request is not proper"))
    return ErrorMessage(code, message)


class UnknownHandler(ApiHandler):
    """Every other address below `/v1`."""

    def prepare(self) -> None:
        """Answer as JSON."""
        raise HTTPError(404)


def whole(low: int, high: int) -> Parse:
    """Take an integer of a range, both ends included."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be an integer from {low} to {high}")
        return int(value)

    return parse


def choice(*words: str) -> Parse:
    """Take one of these words."""

    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return parse


def time_ns(value: str) -> int:
    """Take ISO 8601, UTC where no zone is given, or any integer as nanoseconds."""
    if NS.fullmatch(value) and -(2**63) <= int(value) < 2**63:
        return int(value)
    try:
        if not DATED.fullmatch(value):
            raise ValueError
        value = LOST_PLUS.sub(r"\1+\2", value)
        if found := FRACTION.fullmatch(value):
            return int(moment(found[1] + found[3])) + int(found[2].ljust(9, "0"))
        return int(moment(value))
    except (ValueError, OverflowError):
        raise ValueError("must be ISO 8601 or integer nanoseconds since 1970") from None


def symbol(value: str) -> str:
    """Take the name of a symbol."""
    if not symbol_ok(value):
        raise ValueError(f"must be {SYMBOL_GRAMMAR}")
    return value


def interval(value: str) -> str:
    """Take the length of a bar, such as 1m."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}(s|m|h|d|w|mo)", value):
        raise ValueError("must be a number and s, m, h, d, w or mo, such as 1m")
    return value


channel = choice(*CHANNELS)
