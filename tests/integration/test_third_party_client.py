"""What a client subscribed to is what it gets: checked against the tape, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import (
    Client,
    Feed,
    Message,
    by_stream,
    client,
    has_every_seq,
    serving,
)

SYMBOLS = ("AAA", "AAB", "BBB")
ROWS = 300  # of each file
FIRST_NS = 1_700_000_000_000_000_007
STEP_NS = 400_000_003
SPEED = 200  # one pass of the tape takes 0.6 s

Rows = dict[tuple[str, str], list[dict[str, Any]]]


def write_tape(folder: Path) -> Rows:
    """Write quotes and trades of three symbols, and give what each stream must bring."""
    rows: Rows = {(kind, name): [] for kind in ("quote", "trade") for name in SYMBOLS}
    quotes, trades = ["ts_event,symbol,bid,bid_size,ask,ask_size"], ["ts_event,symbol,price,size"]
    for at in range(ROWS):
        symbol, ts_event, price = SYMBOLS[at * at % 3], FIRST_NS + at * STEP_NS, 100 + at / 8
        quotes.append(f"{ts_event},{symbol},{price},{at + 1},{price + 0.25},{at + 2}")
        rows["quote", symbol].append(
            {"ts_event": ts_event, "bid": price, "bid_size": at + 1,
             "ask": price + 0.25, "ask_size": at + 2}
        )  # fmt: skip
        symbol = SYMBOLS[at % 3]
        trades.append(f"{ts_event + 1},{symbol},{price},{at + 3}")
        rows["trade", symbol].append({"ts_event": ts_event + 1, "price": price, "size": at + 3})
    (folder / "quotes.csv").write_text("\n".join(quotes) + "\n")
    (folder / "trades.csv").write_text("\n".join(trades) + "\n")
    return {stream: own for stream, own in rows.items() if own}


class World:
    """The tape, and the feed that replays it over and over."""

    def __init__(self, feed: Feed, rows: Rows) -> None:
        self.feed = feed
        self.rows = rows

    def check(self, ticks: list[Message]) -> None:
        """The tick with seq s is row (s - 1) of its stream, counted on over the passes."""
        for stream, own in by_stream(ticks).items():
            assert has_every_seq(own), stream
            rows = self.rows[stream]
            for tick in own:
                row = rows[(tick["seq"] - 1) % len(rows)]
                assert {name: tick[name] for name in row} == row


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tape")
    rows = write_tape(folder)
    replay = ("--replay", str(folder), "--loop", "--speed", str(SPEED))
    beats = ("--heartbeat-interval-s", "0.5")
    with serving(tmp_path_factory.mktemp("feed"), *replay, *beats) as feed:
        yield World(feed, rows)


@pytest.fixture
def own(world: World) -> Iterator[Client]:
    with client(world.feed) as found:
        yield found


def test_one_of_three_symbols_brings_exactly_its_ticks_in_the_order_of_the_tape(
    world: World, own: Client
) -> None:
    assert own.subscribe("AAB")["subscriptions"] == {"quotes": ["AAB"], "trades": ["AAB"]}
    one_pass = len(world.rows["quote", "AAB"]) + len(world.rows["trade", "AAB"])
    ticks = own.ticks(one_pass + 50)
    assert {tick["symbol"] for tick in ticks} == {"AAB"}
    world.check(ticks)
    times = [tick["ts_event"] for tick in ticks]
    wraps = sum(later < earlier for earlier, later in pairwise(times))
    assert wraps <= 2, "within a pass time goes forward"


@pytest.mark.parametrize(
    ("patterns", "symbols"),
    [(["*"], {"AAA", "AAB", "BBB"}), (["AA*"], {"AAA", "AAB"}), (["B*", "AAB"], {"AAB", "BBB"})],
)
def test_a_pattern_brings_the_symbols_that_match_and_no_others(
    world: World, own: Client, patterns: list[str], symbols: set[str]
) -> None:
    own.subscribe(*patterns)
    ticks = own.ticks(2 * ROWS)
    world.check(ticks)
    assert set(by_stream(ticks)) == {stream for stream in world.rows if stream[1] in symbols}


@pytest.mark.parametrize(("channel", "kind"), [("quotes", "quote"), ("trades", "trade")])
def test_a_channel_brings_its_own_ticks_only(
    world: World, own: Client, channel: str, kind: str
) -> None:
    own.subscribe("*", channels=[channel])
    ticks = own.ticks(ROWS)
    world.check(ticks)
    assert {tick["type"] for tick in ticks} == {kind}


def test_bars_of_a_second_add_up_to_the_trades_of_the_tape(world: World, own: Client) -> None:
    own.subscribe("BBB", channels=["bars"])
    bars = own.ticks(80)
    assert has_every_seq(bars)
    rows = world.rows["trade", "BBB"]
    for bar in (bar for bar in bars if bar["interval"] == "1s"):
        within = [row for row in rows if 0 <= row["ts_event"] - bar["ts_event"] < 1_000_000_000]
        assert (bar["interval"], bar["trades"], bar["volume"]) == (
            "1s",
            len(within),
            sum(row["size"] for row in within),
        )
        assert (bar["open"], bar["close"]) == (within[0]["price"], within[-1]["price"])


def test_batches_hold_the_same_ticks_in_the_same_order(world: World) -> None:
    with client(world.feed, batch=True) as own:
        own.subscribe("*")
        world.check(own.ticks(2 * ROWS))
        assert own.batches
    assert own.connection.close_code == 1000


def test_two_clients_get_the_same_ticks_to_the_last_digit(world: World, own: Client) -> None:
    with client(world.feed, batch=True) as other:
        own.subscribe("AAA")
        other.subscribe("AAA")
        known = {(tick["type"], tick["seq"]): tick for tick in own.ticks(200)}
        both = [tick for tick in other.ticks(200) if (tick["type"], tick["seq"]) in known]
    assert len(both) > 100
    assert both == [known[tick["type"], tick["seq"]] for tick in both]


def test_nothing_of_a_symbol_comes_after_its_unsubscription_is_acknowledged(
    world: World, own: Client
) -> None:
    own.subscribe("AAA", "BBB")
    before = own.ticks(100)
    ack, between = own.ask(type="unsubscribe", symbols=["AAA"], id=2)
    assert (ack["id"], ack["subscriptions"]) == (2, {"quotes": ["BBB"], "trades": ["BBB"]})
    after = own.ticks(300)
    assert {tick["symbol"] for tick in after} == {"BBB"}
    ticks = [tick for tick in chain(before, between, after) if tick["type"] in ("quote", "trade")]
    world.check(ticks)


def test_one_channel_can_be_unsubscribed_alone(world: World, own: Client) -> None:
    own.subscribe("AAA")
    own.ask(type="unsubscribe", symbols=["AAA"], channels=["quotes"])
    assert {tick["type"] for tick in own.ticks(100)} == {"trade"}


def test_subscribing_again_never_repeats_or_loses_a_tick(world: World, own: Client) -> None:
    own.subscribe("AAA")
    ticks = own.ticks(20)
    for fields in ({}, {"delivery": "all"}, {"channels": ["quotes"]}, {"delivery": "adaptive"}):
        _, between = own.ask(type="subscribe", symbols=["AAA"], **fields)
        ticks += [tick for tick in between if tick["type"] in ("quote", "trade")]
        ticks += own.ticks(50)
    world.check(ticks)


def test_the_first_live_tick_follows_the_snapshot(world: World, own: Client) -> None:
    with client(world.feed) as early:  # so that a snapshot is of ticks, not of the beginning
        early.subscribe("AAA")
        early.ticks(10)
    own.subscribe("AAA", id="s")
    snapshot, before = own.until("snapshot")
    assert before == []
    assert snapshot["quote"]["seq"] == snapshot["seqs"]["quotes"] > 0
    assert snapshot["trade"]["seq"] == snapshot["seqs"]["trades"] > 0
    assert snapshot["session"]["low"] <= snapshot["session"]["last"] <= snapshot["session"]["high"]
    streams = by_stream(own.ticks(50))
    assert streams["quote", "AAA"][0]["seq"] == snapshot["seqs"]["quotes"] + 1
    assert streams["trade", "AAA"][0]["seq"] == snapshot["seqs"]["trades"] + 1


def test_an_unknown_symbol_is_rejected_and_the_others_are_taken(own: Client) -> None:
    ack = own.subscribe("AAA", "APPL", "not ok", id=7)
    assert ack["id"] == 7
    assert ack["subscriptions"] == {"quotes": ["AAA"], "trades": ["AAA"]}
    rejected = {own["symbol"]: own["code"] for own in ack["rejected"]}
    assert rejected == {"APPL": "unknown_symbol", "not ok": "bad_symbol"}


def test_latest_brings_the_newest_state_and_tells_what_it_skips(world: World, own: Client) -> None:
    own.subscribe("*", channels=["quotes"], delivery="latest", interval_ms=100, snapshot=False)
    messages = [own.next() for _ in range(30)]
    for symbol in ("AAA", "AAB"):
        told = [seqs(found) for found in messages if found.get("symbol") == symbol]
        assert len(told) > 3
        assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(told)), told


def seqs(message: Message) -> tuple[int, int]:
    """Give the first and the last seq that a tick or a `skipped` notice tells of."""
    if message["type"] == "skipped":
        assert message["count"] == message["last_seq"] - message["first_seq"] + 1
        return message["first_seq"], message["last_seq"]
    return message["seq"], message["seq"]


def test_a_heartbeat_tells_how_the_source_is(own: Client) -> None:
    beat, _ = own.until("heartbeat")
    assert beat["sources"] == {"replay": "live"}
    assert beat["queued_bytes"] == 0
    assert beat["lag_ms"] >= 0


def test_a_ping_is_answered_with_its_id(own: Client) -> None:
    own.send(type="ping", id="p1")
    pong, _ = own.until("pong")
    assert pong["id"] == "p1"
    assert own.connection.ping().wait(5), "the ping of the WebSocket itself"


def test_commands_may_come_as_binary_frames_and_in_fragments(own: Client) -> None:
    own.connection.send(b'{"type":"ping","id":1}')
    own.connection.send(['{"type":"pi', 'ng","id":2', "}", ""])
    own.connection.send([b'{"type":"ping",', b'"id":3}', b""])
    assert [own.until("pong")[0]["id"] for _ in range(3)] == [1, 2, 3]


def test_the_same_seed_gives_the_same_ticks(tmp_path: Path) -> None:
    runs = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        arguments = ("--simulate", "3", "--seed", "7", "--rate", "10000")
        with serving(folder, *arguments) as feed, client(feed, batch=True) as own:
            own.subscribe("*", snapshot=False)
            ticks = own.ticks(2_000)
        for tick in ticks:
            del tick["ts_out"]
        runs.append({(tick["type"], tick["symbol"], tick["seq"]): tick for tick in ticks})
    first, second = runs
    both = first.keys() & second.keys()
    assert len(both) > 1_000
    assert all(first[key] == second[key] for key in both)
