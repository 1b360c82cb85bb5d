from __future__ import annotations

from dataclasses import replace

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import HTTPError

from feed.errors import AuthenticationError
from feed.server.access import (
    Unauthorized,
    browser_token,
    principal_of,
    require_admin,
    subprotocols,
)
from feed.sessions.auth import Authority, Mode, Trusted
from feed.sessions.entitlements import ANONYMOUS
from feed.sessions.keys import Keys
from tests.fakes import World


def asking(path: str = "/v1/symbols", **headers: str) -> HTTPServerRequest:
    line = RequestStartLine("GET", path, "HTTP/1.1")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "localhost"} | named))


def world(mode: Mode) -> tuple[World, str]:
    """Give a feed at which desk-2 has a key."""
    keys = Keys()
    token = keys.create("desk-2", {}, "now")
    return World(authority=Authority(mode, load=lambda: Trusted(keys))), token


def test_without_authentication_everybody_is_anonymous() -> None:
    assert principal_of(asking(Authorization="Bearer x"), World().registry) == ANONYMOUS


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer   "])
def test_a_bearer_token_says_who_asks(scheme: str) -> None:
    own, token = world("required")
    asked = asking(Authorization=f"{scheme}{token}")
    assert principal_of(asked, own.registry).name == "desk-2"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer canary"}, {"Authorization": "Basic canary"}],
)
def test_who_does_not_say_it_well_gets_401_and_no_word_of_the_token(
    headers: dict[str, str],
) -> None:
    own, _ = world("required")
    with pytest.raises(Unauthorized, match="HTTP 401") as caught:
        principal_of(asking(**headers), own.registry)
    assert "canary" not in str(caught.value)


def test_where_it_is_optional_only_a_bad_token_is_refused() -> None:
    own, _ = world("optional")
    assert principal_of(asking(), own.registry) == ANONYMOUS
    with pytest.raises(Unauthorized):
        principal_of(asking(Authorization="Bearer canary"), own.registry)


def test_a_page_may_put_its_token_among_the_subprotocols() -> None:
    asked = asking(Sec_WebSocket_Protocol="feed.v1, bearer.abc.def")
    assert subprotocols(asked) == ["feed.v1", "bearer.abc.def"]
    assert browser_token(asked, in_url=False) == "abc.def"
    assert browser_token(asking(), in_url=False) is None


def test_a_token_in_the_url_is_taken_only_where_that_is_enabled() -> None:
    asked = asking("/v1/stream?token=abc")
    assert browser_token(asked, in_url=True) == "abc"
    with pytest.raises(AuthenticationError, match="--token-in-url allows it"):
        browser_token(asked, in_url=False)


def test_only_an_admin_passes() -> None:
    require_admin(replace(ANONYMOUS, admin=True))
    with pytest.raises(HTTPError, match="403"):
        require_admin(ANONYMOUS)
