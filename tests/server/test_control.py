from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from feed.server import control
from feed.server.app import bind, listen
from feed.sessions.entitlements import Principal
from feed.sources.controls import Controls
from feed.sources.pace import Position
from tests.fakes import World
from tests.server.local import answer, request

ADMIN = Principal("boss", admin=True)


class Tape(SimpleNamespace):
    """A source of which only the controls work."""


def tape(**changes: Any) -> Tape:
    own = Tape(name="replay", state="live", total=9, symbols=frozenset("A"))
    own.position = Position(7, 5, 1.0)
    own.controls = Controls(1.0, seekable=True)
    vars(own).update(changes)
    return own


def ask(
    path: str, body: bytes | None = None, *, source: Any = None, principal: Principal = ADMIN
) -> tuple[int, Any, World]:
    world = World(anonymous=principal)
    sources = [source or tape(), SimpleNamespace(**vars(tape(name="other", controls=None)))]

    async def main() -> tuple[str, bytes]:
        sockets = bind("127.0.0.1", 0, 65_536)
        server = listen(world.registry, sockets, lambda: sources)
        port = sockets[0].getsockname()[1]
        try:
            if body is None:
                return await answer(port, request(path))
            head = request(path, f"Content-Length: {len(body)}", method="POST")
            return await answer(port, head + body)
        finally:
            server.stop()
            await server.close_all_connections()

    head, told = asyncio.run(main())
    return int(head.split()[1]), orjson.loads(told), world


def act(source: Any, **body: Any) -> tuple[int, Any, World]:
    return ask("/v1/sources/replay", orjson.dumps(body), source=source)


def test_sources_are_listed_with_what_they_do() -> None:
    status, told, _ = ask("/v1/sources", principal=Principal("anybody"))
    assert status == 200
    assert told["sources"][0] == {
        "name": "replay", "state": "live", "kind": "tape", "speed": 1.0, "ts_event": 7,
        "ticks": 5, "total": 9, "controllable": False,
    }  # fmt: skip


def test_who_is_late_is_not_told_how_far_a_source_has_come() -> None:
    _, told, _ = ask("/v1/sources", principal=Principal("late", delay_s=900))
    own = told["sources"][0]
    assert (own["ts_event"], own["ticks"], own["state"]) == (None, 0, "live")


def test_who_may_control_a_source_is_told_so() -> None:
    _, told, _ = ask("/v1/sources")
    assert [own["controllable"] for own in told["sources"]] == [True, False]
    assert ask("/v1/sources/replay")[1] == told["sources"][0]


def test_what_is_wanted_is_done_and_everybody_is_told() -> None:
    source = tape()
    for body, told in (
        ({"action": "pause"}, "replay is paused"),
        ({"action": "resume"}, "replay goes on"),
        ({"action": "speed", "speed": 2.5}, "replay plays at speed 2.5"),
        ({"action": "speed", "speed": 0}, "replay plays as fast as possible"),
    ):
        status, _, world = act(source, **body)
        assert status == 200
        assert world.timers, told
    assert source.controls.speed == 0
    assert not source.controls.paused


def test_the_answer_waits_for_a_seek_and_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    source = tape()
    controls, targets = source.controls, []

    def play() -> None:
        targets.append(controls.take_target())
        if targets[-1] is not None:
            source.position = Position(99, 1, 1.0)
            controls.arrive()
        controls.stepped(3)

    controls.on_change(play)
    assert act(source, action="seek", time="2026-01-05T14:31:00Z")[1]["ts_event"] == 99
    assert act(source, action="step", count=3)[0] == 200
    assert targets == [1_767_623_460_000_000_000, None]
    assert controls.paused
    monkeypatch.setattr(control, "DONE_S", 0.01)
    controls.on_change(lambda: None)
    assert act(source, action="seek", time=5)[0] == 200, "it gets there later"


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b"", "bad_json", "must be JSON"),
        (b'{"action":1,"x":"\xff"}', "bad_json", "must be JSON"),
        (b"[]", "bad_message", "must be an object, was a list"),
        (b"{}", "bad_message", "action must be 'pause'"),
        (b'{"action":"dance"}', "bad_message", "was 'dance'"),
        (b'{"action":"speed"}', "bad_message", "speed must be a number"),
        (b'{"action":"speed","speed":-1}', "bad_message", "speed must be 0 or more"),
        (b'{"action":"speed","speed":"x"}', "bad_message", "was 'x'"),
        (b'{"action":"seek"}', "bad_message", "time must be ISO 8601"),
        (b'{"action":"seek","time":"soon"}', "bad_message", "was 'soon'"),
        (b'{"action":"seek","time":99999999999999999999}', "bad_message", "time must be"),
        (b'{"action":"step","count":0}', "bad_message", "count must be an integer from 1"),
    ],
)
def test_what_cannot_be_wanted_is_told_and_changes_nothing(
    body: bytes, code: str, text: str
) -> None:
    source = tape()
    status, told, world = ask("/v1/sources/replay", body, source=source)
    assert (status, told["code"]) == (400, code)
    assert text in told["message"]
    assert not world.timers
    assert source.controls.target_ns is None


def test_what_a_source_cannot_do_is_told() -> None:
    assert "cannot be controlled" in ask("/v1/sources/other", b'{"action":"pause"}')[1]["message"]
    still = tape(controls=Controls(1.0, seekable=False))
    assert "cannot seek" in act(still, action="seek", time=1)[1]["message"]
    assert "seek back before" in act(tape(state="ended"), action="step")[1]["message"]


def test_only_an_admin_may_and_only_what_there_is() -> None:
    path, body = "/v1/sources/replay", b'{"action":"pause"}'
    assert ask(path, body, principal=Principal("anybody"))[0] == 403
    assert ask("/v1/sources/nosuch", body)[0] == 404
