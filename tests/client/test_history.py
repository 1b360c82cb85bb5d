from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import feed
from feed.client import history as module
from feed.client.background import BackgroundFeed
from feed.errors import ConnectionFailed, MessageError, SettingError
from feed.tape.ring import Codes, Ring

TRADES = 5_000
START_NS = 1_767_623_400_000_000_000


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tape") / "trades.csv"
    rows = (f"{START_NS + seq * 10**9},A/B,{seq / 100},{seq % 7}\n" for seq in range(1, TRADES + 1))
    path.write_text("ts_event,symbol,price,size\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def server(tape: Path) -> Iterator[BackgroundFeed]:
    """A feed that has published all of the tape."""
    options: dict[str, Any] = {"journal_ticks_per_stream": 100_000, "heartbeat_interval_s": 0.1}
    with feed.serve_in_background(replay=tape, speed=0, **options) as server:
        feed.ticks(server.url, "A/B", n=TRADES)
        yield server


def test_all_of_the_past_is_what_the_tape_has(server: BackgroundFeed, tape: Path) -> None:
    table = feed.history(server.url, "A/B", channel="trades")
    expected = feed.tape(tape).trades
    assert len(table) == TRADES
    own, tapes = (each.drop(columns=["ts_out", "epoch"]) for each in (table, expected))
    pd.testing.assert_frame_equal(own, tapes)
    assert table["ts_out"].notna().all()
    assert table["epoch"].nunique() == 1
    assert len(feed.history(server.url, "A/B")) == 0  # it has no quotes


@pytest.mark.parametrize("page_ticks", [500, 2_500])
def test_it_is_read_page_by_page(
    server: BackgroundFeed, monkeypatch: pytest.MonkeyPatch, page_ticks: int
) -> None:
    monkeypatch.setattr(module, "PAGE_TICKS", page_ticks)
    table = feed.history(server.url, "A/B", channel="trades")
    assert table["seq"].tolist() == list(range(1, TRADES + 1))
    table = feed.history(server.url, "A/B", channel="trades", start=0, limit=3_001)
    assert table["seq"].tolist() == list(range(1, 3_002))


def test_a_span_of_time_or_the_newest_can_be_asked_for(server: BackgroundFeed) -> None:
    span: dict[str, Any] = {"start": "2026-01-05T14:30:02", "end": START_NS + 5 * 10**9}
    table = feed.history(server.url, "A/B", channel="trades", **span)
    assert table["seq"].tolist() == [2, 3, 4]
    table = feed.history(server.page, "A/B", channel="trades", limit=2)
    assert table["seq"].tolist() == [TRADES - 1, TRADES]


def test_bars_of_one_interval_or_of_all(server: BackgroundFeed) -> None:
    minutes = feed.history(server.url, "A/B", interval="1m")
    assert set(minutes["interval"]) == {"1m"}
    every = feed.history(server.url, "A/B", channel="bars")
    assert set(every["interval"]) == {"1s", "1m"}
    assert minutes["trades"].tolist()[1] == 60


def test_a_refusal_is_told_in_the_feeds_own_words(server: BackgroundFeed) -> None:
    with pytest.raises(MessageError, match="no source publishes NOPE") as told:
        feed.history(server.url, "NOPE")
    assert told.value.code == "unknown_symbol"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"channel": "news"}, "channel must be one of quotes, trades, bars, status, was 'news'"),
        ({"limit": 0}, "limit must be 1 or more, was 0"),
        ({"start": "soon"}, "start must be a time such as"),
        ({"url": "ftp://x"}, "url must be like ws://127.0.0.1:8080"),
    ],
)
def test_a_wrong_argument_is_told(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        feed.history(**{"url": "ws://127.0.0.1:9", "symbol": "A", **options})


def test_where_there_is_no_feed_that_is_told(server: BackgroundFeed) -> None:
    with pytest.raises(ConnectionFailed, match=r"cannot read 127\.0\.0\.1:9: .*refused"):
        feed.history("ws://127.0.0.1:9", "A")
    reader = module._Reader(Ring(feed.Trade, Codes()), None, None)
    with pytest.raises(ConnectionFailed, match="answered HTTP 404"):
        reader.read(f"{server.page}nothing")
