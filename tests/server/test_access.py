from __future__ import annotations

from dataclasses import replace

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import HTTPError

from feed.server.access import principal_of, require_admin
from feed.sessions.entitlements import ANONYMOUS
from tests.fakes import World


def test_without_authentication_everybody_is_anonymous() -> None:
    line = RequestStartLine("GET", "/v1/symbols", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "localhost"}))
    assert principal_of(request, World().registry) == ANONYMOUS


def test_only_an_admin_passes() -> None:
    require_admin(replace(ANONYMOUS, admin=True))
    with pytest.raises(HTTPError, match="403"):
        require_admin(ANONYMOUS)
