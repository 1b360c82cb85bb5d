from __future__ import annotations

import pytest
from tornado.httputil import HTTPServerRequest, RequestStartLine

from feed.server.rest import Refused
from feed.server.slots import Slots, client_of
from feed.sessions.entitlements import ANONYMOUS, Principal
from tests.fakes import World


def refusal(slots: Slots, client: str) -> str:
    with pytest.raises(Refused) as refused, slots.take(client):
        pass
    assert refused.value.status_code == 503
    return refused.value.message


def test_nobody_takes_all_places() -> None:
    slots = Slots(3, 2)
    with slots.take("one"), slots.take("one"):
        assert refusal(slots, "one") == "2 pages are on their way to you, try again"
        with slots.take("other"):
            assert refusal(slots, "third") == "3 pages are on their way, try again"
    assert not slots.taken


def test_a_place_is_free_again_whatever_happened() -> None:
    slots = Slots(1, 1)
    with pytest.raises(ValueError, match="x"), slots.take("one"):
        raise ValueError("x")
    assert not slots.taken


def test_strangers_are_told_apart_by_their_addresses_and_others_by_their_names() -> None:
    registry = World().registry
    line = RequestStartLine("GET", "/", "HTTP/1.0")
    near, far = HTTPServerRequest(start_line=line), HTTPServerRequest(start_line=line)
    near.remote_ip, far.remote_ip = "192.0.2.1", "192.0.2.2"
    assert client_of(near, ANONYMOUS, registry) != client_of(far, ANONYMOUS, registry)
    desk = Principal("desk")
    assert client_of(near, desk, registry) == client_of(far, desk, registry) == "desk"
