from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.hub.bars import BarBuilder
from feed.hub.hub import Hub
from feed.hub.tickerplant import Tickerplant
from feed.protocol.codec import encode_ticks, read_command
from feed.protocol.messages import Publish
from feed.sessions.entitlements import Principal
from feed.sources.ingest import SILENT_S, Ingest, Receipt
from feed.symbols import ALL_SYMBOLS, SymbolSet
from feed.ticks import Quote, Tick, Trade
from tests.fakes import FakeClock

NOW_NS = 1_764_000_000_000_000_000
DESK = Principal("desk", publish=ALL_SYMBOLS)

QUOTE = {"type": "quote", "symbol": "AAPL", "bid": 187.21, "ask": 187.23}
TRADE = {"type": "trade", "symbol": "AAPL", "price": 187.22}
BAR = {"type": "bar", "symbol": "A", "interval": "5m", "open": 2, "high": 3, "low": 1, "close": 2}
STATUS = {"type": "status", "symbol": "AAPL", "status": "halted"}


class Gate:
    """Publishers' way into a feed that keeps all that comes out."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.clock.wall_ns = NOW_NS
        self.out: list[Tick] = []
        hub = Hub(lambda flush: None)
        self.tickerplant = Tickerplant(hub.index, hub.receive, self.clock)
        self.ingest = Ingest(self.way_in, clock=self.clock, **options)

    def way_in(self) -> Any:
        bars = BarBuilder()

        def through(ticks: list[Tick]) -> list[Tick]:
            burst = bars.extend(ticks, max(tick.ts_event for tick in ticks))
            self.tickerplant.publish(burst)
            self.out += burst
            return burst

        return through

    def publish(self, *ticks: Any, publisher: Principal = DESK) -> Receipt:
        return self.publish_json(orjson.dumps(ticks), publisher)

    def publish_json(self, ticks: bytes, publisher: Principal = DESK) -> Receipt:
        command = read_command(b'{"type":"publish","ticks":%s}' % ticks)
        assert isinstance(command, Publish)
        return self.ingest.publish(publisher, command.ticks)


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_good_ticks_are_numbered_and_stamped(gate: Gate) -> None:
    receipt = gate.publish(QUOTE, TRADE, QUOTE)
    assert receipt.seqs == [1, 1, 2]
    assert receipt.rejected == []
    assert receipt.burst == receipt.ticks
    assert {tick.ts_out for tick in gate.out} == {NOW_NS}
    assert {tick.ts_event for tick in gate.out} == {NOW_NS}, "no ts_event means now"


def test_what_only_the_feed_may_give_is_ignored(gate: Gate) -> None:
    forged = {"seq": 99, "ts_out": 1, "epoch": "mine", "session": "x", "principal": "admin"}
    gate.publish(QUOTE | forged)
    assert gate.out == [Quote("AAPL", 1, NOW_NS, 187.21, None, 187.23, None, NOW_NS)]


def test_sizes_may_be_whole_fractions_or_unknown(gate: Gate) -> None:
    gate.publish(TRADE | {"size": 3}, TRADE | {"size": 0.25}, TRADE | {"size": None}, TRADE)
    assert [tick.size for tick in gate.out if isinstance(tick, Trade)] == [3, 0.25, None, None]


POISON: list[tuple[Any, str, str]] = [
    (QUOTE | {"bid": None}, "bad_tick", "bid must be a number above 0"),
    (QUOTE | {"bid": "187.21"}, "bad_tick", "was '187.21'"),
    (QUOTE | {"bid": 0}, "bad_tick", "was 0"),
    (QUOTE | {"bid": -1.5}, "bad_tick", "was -1.5"),
    (QUOTE | {"bid": True}, "bad_tick", "was true"),
    (QUOTE | {"ask": 1e300}, "bad_tick", "at most 1e+15"),
    (QUOTE | {"bid": 187.24}, "bad_tick", "bid must not be above ask, was 187.24 above 187.23"),
    (QUOTE | {"bid_size": -1}, "bad_tick", "bid_size must be a number from 0"),
    ({"type": "quote", "symbol": "AAPL", "bid": 1}, "bad_tick", "ask must be"),
    (TRADE | {"price": []}, "bad_tick", "was a list"),
    (TRADE | {"size": "many"}, "bad_tick", "was 'many'"),
    (TRADE | {"ts_event": "now"}, "bad_tick", "ts_event must be integer nanoseconds"),
    (TRADE | {"ts_event": 1.5}, "bad_tick", "was 1.5"),
    (TRADE | {"ts_event": -1}, "bad_tick", "was -1"),
    (TRADE | {"ts_event": NOW_NS // 1_000_000}, "bad_tick", "after 1973"),
    (TRADE | {"ts_event": NOW_NS + 3600 * 10**9}, "bad_tick", "not in the future"),
    (TRADE | {"symbol": ""}, "bad_symbol", "symbol must be"),
    (TRADE | {"symbol": "A B"}, "bad_symbol", "was 'A B'"),
    (TRADE | {"symbol": "*"}, "bad_symbol", "was '*'"),
    (TRADE | {"symbol": "x" * 5000}, "bad_symbol", "..."),
    (TRADE | {"symbol": None}, "bad_tick", "symbol must be a string, was null"),
    (TRADE | {"type": "rumour"}, "bad_tick", "type must be 'quote'"),
    ({"symbol": "AAPL"}, "bad_tick", "type must be"),
    (BAR | {"low": 2.5}, "bad_tick", "within 2.5 and 3.0"),
    (BAR | {"interval": "5 m"}, "bad_tick", "letters and digits"),
    (BAR | {"vwap": 0}, "bad_tick", "vwap must be"),
    (STATUS | {"status": ""}, "bad_tick", "status must be a string of 1"),
    (STATUS | {"reason": "a\nb"}, "bad_tick", "reason must be printable"),
    (None, "bad_tick", "a tick must be an object, was null"),
    (7, "bad_tick", "a tick must be an object, was 7"),
    ([], "bad_tick", "a tick must be an object, was a list"),
]


@pytest.mark.parametrize(("poison", "code", "text"), POISON, ids=lambda value: str(value)[:40])
def test_a_poison_tick_is_told_and_its_neighbours_go_through(
    gate: Gate, poison: Any, code: str, text: str
) -> None:
    receipt = gate.publish(TRADE, poison, TRADE)
    assert receipt.seqs == [1, None, 2]
    [bad] = receipt.rejected
    assert (bad.index, bad.code) == (1, code)
    assert text in bad.message
    assert len(bad.message) < 300
    symbol = poison.get("symbol") if isinstance(poison, dict) else None
    assert bad.symbol == (symbol[:64] if isinstance(symbol, str) else None)
    assert len(gate.out) == 2


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400, "12345678901234567890123456789"]
)
def test_a_number_that_is_none_is_told_and_its_neighbours_go_through(
    gate: Gate, number: str
) -> None:
    good, bad = orjson.dumps(TRADE), b'{"type":"trade","symbol":"A","price":%s}' % number.encode()
    receipt = gate.publish_json(b"[%s,%s,%s]" % (good, bad, good))
    assert receipt.seqs == [1, None, 2]


def test_crossed_quotes_are_taken_where_the_feed_allows_them() -> None:
    gate = Gate(allow_crossed=True)
    assert gate.publish(QUOTE | {"bid": 188}).seqs == [1]


def test_each_symbol_and_channel_needs_the_entitlement(gate: Gate) -> None:
    some = Principal("some", publish=SymbolSet(["A*"]), channels=frozenset({"quotes"}))
    receipt = gate.publish(QUOTE, TRADE, QUOTE | {"symbol": "MSFT"}, publisher=some)
    assert receipt.seqs == [1, None, None]
    assert [bad.code for bad in receipt.rejected] == ["not_entitled", "not_entitled"]
    assert "may not publish quotes of MSFT" in receipt.rejected[1].message


def test_entitlements_that_were_taken_away_are_gone_at_once(gate: Gate) -> None:
    gate.publish(QUOTE)
    assert gate.publish(QUOTE, publisher=Principal("desk")).seqs == [None]


def test_publishers_may_name_only_so_many_symbols() -> None:
    gate = Gate(symbols_limit=2)
    receipt = gate.publish(*(TRADE | {"symbol": name} for name in "ABCA"))
    assert receipt.seqs == [1, 1, None, 2]
    assert receipt.rejected[0].code == "limit_exceeded"


def test_bars_are_made_of_each_publishers_ticks_by_its_own_time(gate: Gate) -> None:
    other = Principal("other", publish=ALL_SYMBOLS)
    then = NOW_NS - 86_400 * 10**9
    gate.publish(TRADE | {"ts_event": then})
    gate.publish(TRADE, publisher=other)
    receipt = gate.publish(TRADE | {"ts_event": then + 10**9})
    assert [type(tick).__name__ for tick in receipt.burst] == ["Bar", "Trade"]
    assert receipt.seqs == [3]


def test_the_source_is_live_while_ticks_come() -> None:
    gate = Gate()
    states = [gate.ingest.state]
    gate.publish(TRADE)
    states.append(gate.ingest.state)
    gate.clock.passed_s += SILENT_S
    assert [*states, gate.ingest.state] == ["paused", "live", "paused"]
    assert gate.ingest.position.ticks == 1


def test_its_run_lasts_until_it_is_cancelled(gate: Gate) -> None:
    async def main() -> None:
        running = asyncio.create_task(gate.ingest.run(lambda ticks: None))
        await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


numbers = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.floats(min_value=1e-3, max_value=1e6),
    st.text(max_size=3),
)
FIELDS = (
    *("bid", "ask", "price", "open", "high", "low", "close", "vwap", "trades", "bid_size"),
    *("ask_size", "size", "volume", "ts_event", "seq", "ts_out"),
)
anything = st.fixed_dictionaries(
    {"type": st.sampled_from(["quote", "trade", "bar"]), "symbol": st.sampled_from("AB")},
    optional=dict.fromkeys(FIELDS, numbers) | {"interval": st.just("1s")},
)


@given(st.lists(st.lists(st.one_of(anything, st.just(TRADE)), min_size=1, max_size=8), max_size=8))
def test_whatever_is_sent_no_price_on_the_wire_is_null(bursts: list[list[Any]]) -> None:
    import json

    gate = Gate()
    for ticks in bursts:
        receipt = gate.publish_json(json.dumps(ticks).encode())
        assert len(receipt.seqs) == len(ticks)
        assert [own for own in receipt.seqs if own] == [own.seq for own in receipt.ticks]
        gate.clock.wall_ns += 700_000_000
    for line in encode_ticks(gate.out):
        tick = orjson.loads(line)
        for name in ("bid", "ask", "price", "open", "high", "low", "close"):
            assert tick.get(name, 1) > 0
