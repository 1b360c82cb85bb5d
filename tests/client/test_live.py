from __future__ import annotations

import copy
import gc
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from feed.client.transport import Disconnected
from feed.errors import ConnectionFailed, SettingError
from feed.protocol.messages import Epoch, Heartbeat, Snapshot
from feed.ticks import Bar, Quote, Trade

Fakes = Callable[..., Any]
START_NS = 1_767_623_400_000_000_000


def trade(seq: int, symbol: str = "A") -> Trade:
    return Trade(symbol, seq, START_NS + seq, 1.0 + seq, 1, START_NS)


def quote(seq: int, symbol: str = "A") -> Quote:
    return Quote(symbol, seq, START_NS + seq, 1.0 + seq, 1, 2.0 + seq, 1, START_NS)


def test_frames_hold_what_came_up_to_now(running: Fakes) -> None:
    feed = running()
    feed.give(trade(1), quote(1), trade(2))
    before = feed.live.trades
    feed.give(trade(3))
    assert before["seq"].tolist() == [1, 2]
    assert feed.live.trades["seq"].tolist() == [1, 2, 3]
    assert feed.live.quotes["bid"].tolist() == [2.0]
    assert feed.live.quotes.index[0] == pd.Timestamp(START_NS + 1, tz="UTC")
    assert len(feed.live.status) == 0
    assert feed.live.symbols == ["A"]


def test_memory_is_bounded(running: Fakes) -> None:
    feed = running(max_ticks=2)
    feed.give(*[trade(seq) for seq in range(1, 6)])
    assert feed.live.trades["seq"].tolist() == [4, 5]
    with pytest.raises(SettingError, match="max_ticks must be a whole number of 1 or more, was 0"):
        running(max_ticks=0)


def test_last_has_a_row_for_each_symbol_from_its_snapshot_on(running: Fakes) -> None:
    feed = running(["A", "B"])
    feed.tell(Snapshot("B", {"quotes": 7}, quote=quote(7, "B")))
    feed.give(trade(1), quote(1), quote(2))
    last = feed.live.last
    assert last["bid"].to_dict() == {"A": 3.0, "B": 8.0}
    assert last["price"].isna().to_dict() == {"A": False, "B": True}


def test_bars_are_made_of_the_ticks_held(running: Fakes) -> None:
    feed = running()
    feed.give(trade(1), trade(2), quote(1, "B"))
    bars = feed.live.bars("1min")
    assert bars["symbol"].tolist() == ["A", "B"]
    assert bars["close"].tolist() == [3.0, 2.5]
    feed.give(Bar("A", 1, "1m", START_NS, 1.0, 2.0, 0.5, 1.5, 9, 1.25, 3, 0))
    assert feed.live.bars("1min")["volume"].tolist() == [9, 0]


def test_a_wait_counts_from_where_it_begins(running: Fakes) -> None:
    feed = running()
    feed.give(trade(1))
    assert feed.live.wait(n=1, seconds=0.01) == 0
    assert feed.live.wait(seconds=0.01) == 0
    with pytest.raises(SettingError, match="n or seconds must be given"):
        feed.live.wait()


def test_a_wait_returns_once_all_sources_have_ended(running: Fakes) -> None:
    feed = running()
    feed.tell(Heartbeat(1, 0, 0.0, {"replay": "ended"}))
    assert feed.live.wait(n=1) == 0
    assert feed.live.sources == {"replay": "ended"}


def test_an_interrupt_ends_the_wait_and_nothing_else(running: Fakes) -> None:
    feed = running()
    timer = threading.Timer(0.05, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        feed.live.wait(n=1)
    feed.give(trade(1))
    assert len(feed.live.trades) == 1


def test_subscriptions_change_while_it_runs(running: Fakes) -> None:
    feed = running()
    ack = feed.live.subscribe(["B", "NOPE"], channels="quotes")
    assert [own.symbol for own in ack.rejected] == ["NOPE"]
    assert feed.live.subscriptions == {"quotes": ["A", "B"], "trades": ["A"]}
    assert [own.symbol for own in feed.live.rejected] == ["NOPE"]
    assert feed.live.unsubscribe("A").subscriptions == {"quotes": ["B"]}


def test_ticks_are_published_over_the_same_connection(running: Fakes) -> None:
    feed = running()
    mine = {"type": "trade", "symbol": "MINE", "price": 1.5, "size": 1}
    assert feed.live.publish(mine).accepted == 1
    frame = pd.DataFrame({"time": ["2026-01-05T14:30:00"], "price": [1.5], "size": [1]})
    assert feed.live.publish_frame(frame, symbol="MINE").accepted == 1


def test_a_failure_is_raised_by_the_next_call_and_what_is_held_stays(
    running: Fakes,
) -> None:
    feed = running()
    feed.give(trade(1))
    feed.tell(Disconnected(4502, "not entitled"))
    with pytest.raises(ConnectionFailed, match="4502 not entitled"):
        feed.live.wait(n=1)
    assert feed.live.trades["seq"].tolist() == [1]
    with pytest.raises(ConnectionFailed, match="4502"):
        feed.live.subscribe("B")
    assert repr(feed.live) == "<feed.Live ws://feed closed: 1 trades>"


def test_it_cannot_be_copied_or_pickled_but_its_frames_can(running: Fakes) -> None:
    feed = running()
    feed.give(quote(1))
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="copy or pickle its frames"):
            attempt(feed.live)
    quotes = feed.live.quotes
    for again in (pickle.loads(pickle.dumps(quotes)), copy.deepcopy(quotes)):
        pd.testing.assert_frame_equal(again, quotes)


def test_rows_know_the_epoch_that_their_seq_is_of(running: Fakes) -> None:
    feed = running()
    feed.give(trade(1), quote(1), trade(2))
    feed.tell(Epoch("e2", "seek"))
    feed.give(trade(1), quote(1))
    assert feed.live.trades["epoch"].tolist() == ["e1", "e1", "e2"]
    assert feed.live.quotes["epoch"].tolist() == ["e1", "e2"]
    assert not feed.live.trades.duplicated(["epoch", "symbol", "seq"]).any()


def test_a_wait_for_nothing_ends(running: Fakes) -> None:
    feed = running(["NOPE"])
    assert feed.live.wait(n=1) == 0
    assert repr(feed.live) == "<feed.Live ws://feed live: no ticks yet, 1 rejected>"


@pytest.mark.parametrize(
    ("n", "seconds", "told"),
    [
        (-1, None, "n must be a whole number of 0 or more, was -1"),
        ("many", None, "n must be a whole number of 0 or more, was 'many'"),
        (1, "2", "seconds must be a number of 0 or more, was '2'"),
        (None, float("nan"), "seconds must be a number of 0 or more, was nan"),
    ],
)
def test_a_wait_that_is_none_is_told(running: Fakes, n: Any, seconds: Any, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        running().live.wait(n, seconds)


def test_it_says_how_it_is(running: Fakes) -> None:
    feed = running()
    assert repr(feed.live) == "<feed.Live ws://feed live: no ticks yet>"
    feed.give(trade(1))
    assert feed.live.connected
    assert feed.live.stats.ticks == 1
    assert "ticks=1" in repr(feed.live.stats)
    with feed.live:
        pass
    assert feed.live.wait(n=1) == 0
    assert repr(feed.live) == "<feed.Live ws://feed closed: 1 trades>"


def test_one_that_nobody_has_any_more_ends(running: Fakes) -> None:
    feed = running()
    transport, worker = feed.transport, feed.live._worker
    del feed
    gc.collect()
    assert transport.closed
    assert not worker.running


def test_two_are_independent(running: Fakes) -> None:
    one, other = running(["A"]), running(["B"])
    one.give(trade(1))
    one.live.close()
    other.give(trade(1, "B"), trade(2, "B"))
    assert one.live.trades["seq"].tolist() == [1]
    assert other.live.trades["seq"].tolist() == [1, 2]


def test_a_program_may_end_without_closing_it() -> None:
    program = """
import socket, sys, threading
sys.path.insert(0, "tests")
from feed.client.live import Live
from feed.client.aio import Connection
from client.conftest import FakeTransport, Lines
import feed.client.live as module
transport = FakeTransport()
module.connect = lambda url, symbols, **_: Lines(transport).connect(symbols=symbols)
live = Live("ws://feed", ["A"])
import atexit
atexit._run_exitfuncs()
assert transport.closed and threading.active_count() == 1
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True)
    assert (done.returncode, done.stderr.decode()) == (0, "")
