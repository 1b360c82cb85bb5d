"""Publishers send good and bad ticks, mixed; subscribers of any make get the good ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import Client, Feed, Message, client, has_every_seq, serving

GOOD: dict[str, Any] = {"type": "quote", "bid": 1.5, "bid_size": 3, "ask": 1.6, "ask_size": 0.5}
TRADE: dict[str, Any] = {"type": "trade", "price": 1.55, "size": 2}
NAN = float("nan")
POISON: list[Any] = [
    GOOD | {"bid": NAN},
    GOOD | {"ask": float("inf")},
    GOOD | {"bid": None},
    GOOD | {"bid": 2},
    TRADE | {"price": -1},
    TRADE | {"price": "1.55"},
    TRADE | {"price": 10**400},
    TRADE | {"ts_event": -5},
    {"type": "trade"},
    None,
    [],
    "tick",
    NAN,
]


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    folder = tmp_path_factory.mktemp("publishing")
    options = ("--simulate", "AAA", "--rate", "10", "--anonymous-publish", "*")
    with serving(folder, *options) as running:
        yield running


def named(tick: Any, symbol: str) -> Any:
    return {"symbol": symbol} | tick if isinstance(tick, dict) else tick


def publish(own: Client, symbol: str, *ticks: Any, **fields: Any) -> Message:
    """Publish as a program would that knows of no limits of JSON."""
    return tell(own, symbol, *ticks, **fields)[0]


def tell(own: Client, symbol: str, *ticks: Any, **fields: Any) -> tuple[Message, list[Message]]:
    """Give the answer, and what came before it."""
    command = {"type": "publish", "ticks": [named(tick, symbol) for tick in ticks]}
    own.connection.send(json.dumps(command | fields))
    return own.until("published")


def test_of_poison_and_good_ticks_everybody_gets_the_good_ones(feed: Feed) -> None:
    with client(feed) as publisher, client(feed) as reader:
        reader.subscribe("MIX", "OTHER", channels=["quotes", "trades", "bars"])
        mixed = [tick for bad in POISON for tick in (GOOD, bad, TRADE)]
        answer = publish(publisher, "MIX", *mixed, id=7)
        assert answer["id"] == 7
        assert answer["accepted"] == 2 * len(POISON)
        assert [bad["index"] for bad in answer["rejected"]] == list(range(1, len(mixed), 3))
        assert all(answer["seqs"][bad["index"]] is None for bad in answer["rejected"])
        publish(publisher, "OTHER", GOOD, {"type": "status", "status": "end"})
        got: list[Message] = []
        while not got or got[-1]["symbol"] != "OTHER":
            got += [own for own in reader.ticks(1) if own["type"] != "bar"]
    quotes = [own for own in got if own["symbol"] == "MIX" and own["type"] == "quote"]
    assert has_every_seq(quotes)
    assert {(own["bid"], own["ask"], own["bid_size"], own["ask_size"]) for own in quotes} == {
        (1.5, 1.6, 3, 0.5)
    }
    trades = [own for own in got if own["type"] == "trade"]
    assert len(quotes) == len(trades) == len(POISON)
    assert {own["price"] for own in trades} == {1.55}


def test_the_publisher_itself_gets_notices_or_an_echo(feed: Feed) -> None:
    with client(feed) as own:
        own.subscribe("SELF", snapshot=False)
        answer, before = tell(own, "SELF", GOOD, GOOD)
        [notice] = [message for message in before if message["type"] == "skipped"]
        seqs = answer["seqs"]
        assert (notice["first_seq"], notice["last_seq"], notice["reason"]) == (*seqs, "own")
        publish(own, "SELF", GOOD, echo=True)
        [tick] = own.ticks(1)
        assert tick["seq"] == seqs[-1] + 1


def test_publishing_where_nobody_may_is_refused_and_the_connection_stays(tmp_path: Path) -> None:
    with serving(tmp_path, "--simulate", "AAA", "--rate", "10") as closed, client(closed) as own:
        own.connection.send(json.dumps({"type": "publish", "id": 1, "ticks": [GOOD]}))
        error, _ = own.until("error")
        assert error["code"] == "not_entitled"
        own.send(type="ping")
        own.until("pong")
