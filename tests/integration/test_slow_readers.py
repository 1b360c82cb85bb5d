"""Memory stays bounded however many clients do not read, and nobody else is held up."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import pairwise

import pytest
from websockets.exceptions import ConnectionClosed

from tests.integration.running import (
    Client,
    Feed,
    Message,
    client,
    has_every_seq,
    serving,
    stoppable,
)

SYMBOLS = 50
STOPPED = 8
OUTBOX_BYTES = 262_144
ALLOWED_KIB = STOPPED * 2 * OUTBOX_BYTES // 1024 + 32_768
"""Twice the bound of each session, and what the feed itself comes to hold in three seconds."""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc, which only Linux has"
)


@pytest.fixture
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    folder = tmp_path_factory.mktemp("slow")
    market = ("--simulate", str(SYMBOLS), "--rate", "20000", "--seed", "1")
    bounds = ("--outbox-limit-bytes", str(OUTBOX_BYTES), "--send-buffer-bytes", "65536")
    journal = ("--journal-limit-bytes", "4000000")  # it is not what is measured
    with serving(folder, *market, *bounds, *journal, "--drain-timeout-s", "1") as running:
        yield running


def stopped(stack: ExitStack, feed: Feed, channel: str, delivery: str) -> Client:
    own = stack.enter_context(stoppable(feed))
    own.send(type="subscribe", symbols=["*"], channels=[channel], delivery=delivery, snapshot=False)
    return own


def read_to_the_end(own: Client) -> tuple[list[Message], int | None]:
    """Give what is left, and the code of the close."""
    messages: list[Message] = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(own.next())
    return messages, own.connection.close_code


@pytest.mark.parametrize(("channel", "delivery"), [("quotes", "all"), ("trades", "adaptive")])
def test_a_reader_that_stops_is_closed_with_4001_and_others_get_everything(
    feed: Feed, channel: str, delivery: str
) -> None:
    with ExitStack() as stack:
        bystander = stack.enter_context(client(feed, batch=True))
        bystander.subscribe("S000", "S001", snapshot=False)
        seen = bystander.ticks(100)
        before_kib = feed.resident_kib
        slow = [stopped(stack, feed, channel, delivery) for _ in range(STOPPED)]
        peak_kib = 0
        while feed.log.count("closed with 4001") < STOPPED:
            seen += bystander.ticks(50)
            peak_kib = max(peak_kib, feed.resident_kib)
        assert peak_kib - before_kib < ALLOWED_KIB
        seen += bystander.ticks(100)
        for symbol in ("S000", "S001"):
            quotes = [own for own in seen if (own["type"], own["symbol"]) == ("quote", symbol)]
            assert has_every_seq(quotes)
        messages, code = read_to_the_end(slow[0])
        assert code == 4001
        assert messages[-1] == {
            "type": "closing", "code": 4001, "reason": "slow consumer", "reconnect": True,
        }  # fmt: skip
        for symbol in ("S000", "S001"):
            assert has_every_seq([own for own in messages if own.get("symbol") == symbol])


def test_a_reader_that_comes_back_is_told_of_every_tick_it_missed(feed: Feed) -> None:
    with ExitStack() as stack:
        bystander = stack.enter_context(client(feed, batch=True))
        bystander.subscribe("*", channels=["quotes"], snapshot=False)
        before_kib = feed.resident_kib
        slow = [stopped(stack, feed, "quotes", "adaptive") for _ in range(STOPPED)]
        seen = bystander.ticks(50_000)
        assert feed.resident_kib - before_kib < ALLOWED_KIB
        reached = {own["symbol"]: own["seq"] for own in seen}
        told = read_until(slow[0], reached)
    assert len(told) == SYMBOLS
    for symbol, own in told.items():
        assert any(message["type"] == "skipped" for message in own), symbol
        assert all(span(later)[0] == span(earlier)[1] + 1 for earlier, later in pairwise(own))
        assert all(after["type"] == "quote" for message, after in pairwise(own)
                   if message["type"] == "skipped")  # fmt: skip


def read_until(own: Client, reached: dict[str, int]) -> dict[str, list[Message]]:
    """Read on until every symbol is past a seq; gives what each was told."""
    told: dict[str, list[Message]] = {}
    behind = dict(reached)
    while behind:
        message = own.next()
        symbol = message.get("symbol")
        if symbol is None:
            continue
        told.setdefault(symbol, []).append(message)
        if span(message)[1] >= behind.get(symbol, sys.maxsize):
            del behind[symbol]
    return told


def span(message: Message) -> tuple[int, int]:
    """Give the first and the last seq that a tick or a `skipped` notice tells of."""
    if message["type"] == "skipped":
        assert message["reason"] == "conflated"
        assert message["count"] == message["last_seq"] - message["first_seq"] + 1
        return message["first_seq"], message["last_seq"]
    return message["seq"], message["seq"]
