from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from feed.client import survey
from feed.client.commands import Positions
from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed
from feed.protocol.messages import Epoch, Snapshot, Subscribe

Fakes = Callable[..., Any]
Ask = Callable[..., Positions]

URL = "ws://feed/?token=secret"


@pytest.fixture
def transport(fake_transport: Fakes) -> Any:
    return fake_transport()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, lines: Fakes, transport: Any) -> Ask:
    """Ask a feed that answers over `transport`, in less time."""

    def connect(url: str, *, on_event: Any, reconnect: bool, **_: Any) -> Any:
        return lines(transport).connect(on_event=on_event, reconnect=reconnect)

    monkeypatch.setattr(survey, "connect", connect)
    monkeypatch.setattr(survey, "QUIET_S", 0.01)

    def ask(subscriptions: dict[str, list[str]], *known: Any) -> Positions:
        """Ask; `known` is what is known then, and each time that somebody looks again."""
        left = [Positions("e1", seqs) for seqs in known] or [Positions("e1", {})]
        look = lambda: left.pop(0) if len(left) > 1 else left[0]  # noqa: E731
        return asyncio.run(survey.newest(URL, subscriptions, look))

    return ask


def test_it_gives_the_seqs_of_every_snapshot(ask: Ask, transport: Any) -> None:
    for seqs in ({"quotes": 7}, {"trades": 3}):
        transport.tell(Snapshot("A", seqs))
    transport.tell(Snapshot("B", {"quotes": 2}))
    found = ask({"quotes": ["*"], "trades": ["A"]})
    assert found == Positions("e1", {"quotes": {"A": 7, "B": 2}, "trades": {"A": 3}})
    assert [(own.channels, own.symbols) for own in transport.commands] == [
        (["quotes"], ["*"]),
        (["trades"], ["A"]),
    ]
    assert all(isinstance(own, Subscribe) and own.snapshot for own in transport.commands)
    assert transport.closed


def test_a_stream_that_is_known_is_waited_for(
    ask: Ask, transport: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str | None] = []
    missing = survey.Survey.missing

    def look(own: survey.Survey, epoch: str) -> str | None:
        looked.append(missing(own, epoch))
        if len(looked) == 3:
            transport.tell(Snapshot("B", {"quotes": 5}))
        return looked[-1]

    monkeypatch.setattr(survey.Survey, "missing", look)
    transport.tell(Snapshot("A", {"quotes": 7}))
    assert ask({"quotes": ["*"]}, {"quotes": {"B": 4}}).seqs == {"quotes": {"A": 7, "B": 5}}
    assert looked[:3] == ["quotes B"] * 3
    assert looked[-1] is None


def test_a_stream_that_is_not_told_of_is_named_and_no_token_with_it(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "LIMIT_S", 0.1)
    text = "^ws://feed did not tell within 0.1 s how far quotes B is$"
    with pytest.raises(ConnectionFailed, match=text):
        ask({"quotes": ["B"]}, {"quotes": {"B": 4}})


def test_no_word_is_awaited_of_a_stream_that_is_known_no_more_or_was_not_to_begin_with(
    ask: Ask, transport: Any
) -> None:
    """The first may have been taken away meanwhile, and no snapshot of the other was asked for."""
    transport.tell(Snapshot("A", {"quotes": 7}))
    both, later = {"quotes": {"A": 7, "B": 4}}, {"quotes": {"A": 7, "C": 1}}
    assert ask({"quotes": ["*"]}, both, both, later).seqs == {"quotes": {"A": 7}}


def test_no_word_is_awaited_of_a_stream_that_was_not_asked_for(ask: Ask, transport: Any) -> None:
    transport.tell(Snapshot("A", {"quotes": 7}))
    found = ask({"quotes": ["A"]}, {"quotes": {"A": 7, "B": 4}, "trades": {"A": 1}})
    assert found.seqs == {"quotes": {"A": 7}}


def test_of_another_numbering_no_stream_is_known(ask: Ask, transport: Any) -> None:
    transport.tell(Snapshot("A", {"quotes": 7}))
    transport.tell(Epoch("e2", "seek"))
    transport.tell(Snapshot("A", {"quotes": 1}))
    assert ask({"quotes": ["*"]}, {"quotes": {"B": 4}}) == Positions("e2", {"quotes": {"A": 1}})


@pytest.mark.parametrize("code", [1000, 1011])
def test_a_connection_that_ends_has_not_told_all(ask: Ask, transport: Any, code: int) -> None:
    transport.tell(Disconnected(code, ""))
    with pytest.raises(ConnectionFailed):
        ask({})
