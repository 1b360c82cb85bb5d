"""Live beside a real feed: what it holds is what the tape has, whatever happens meanwhile."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pandas as pd

import feed
from feed.client.live import Live
from tests.integration.running import ROOT, serving

TAPE = ROOT / "replay_data" / "synthetic-ticks.csv.gz"
LIMIT_S = 20.0


def same_as_tape(live: Live, tape: pd.DataFrame, held: pd.DataFrame) -> None:
    """Compare every row held with the tape's, by stream and seq."""
    assert len(held) > 0
    key = ["symbol", "seq"]
    mine, theirs = (own.drop(columns=["ts_out", "epoch"]).reset_index() for own in (held, tape))
    mine["symbol"], theirs["symbol"] = mine["symbol"].astype(str), theirs["symbol"].astype(str)
    assert not mine.duplicated(key).any()
    merged = mine.merge(theirs, on=key, suffixes=("", "_tape"))
    assert len(merged) == len(mine)
    for name in set(mine.columns) - set(key):
        assert merged[name].equals(merged[f"{name}_tape"].rename(name)), name


def test_every_row_is_the_tapes_also_while_a_cell_computes(tmp_path: Path) -> None:
    tape = feed.tape(TAPE)
    with (
        serving(tmp_path, "--replay", str(TAPE), "--speed", "200") as server,
        Live(server.url, ["AAPL", "MSFT"], delivery="all") as live,
        Live(server.url, ["*"], channels="trades", delivery="all") as other,
    ):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            pass
        assert live.wait(n=100, seconds=LIMIT_S) >= 100
        assert live.stats.gaps == live.stats.skipped == 0
        assert set(live.quotes["symbol"].unique()) == {"AAPL", "MSFT"}
        same_as_tape(live, tape.quotes, live.quotes)
        same_as_tape(live, tape.trades, live.trades)
        same_as_tape(other, tape.trades, other.trades)
        for _, own in live.quotes.groupby("symbol", observed=True):
            assert own["seq"].diff().dropna().eq(1).all()


def test_bars_and_last_values_are_those_of_the_tape(tmp_path: Path) -> None:
    begin = "2026-01-05T14:45:00"
    tape = feed.tape(TAPE, start=begin)
    channels = ["quotes", "trades", "bars"]
    options = ("--replay", str(TAPE), "--start", begin, "--speed", "20")
    with (
        serving(tmp_path, *options) as server,
        Live(server.url, ["*"], channels=channels, delivery="all") as live,
    ):
        live.wait(n=10**9, seconds=LIMIT_S)
        assert live.sources == {"replay": "ended"}
        pd.testing.assert_frame_equal(live.last, tape.as_of("2027-01-01"))
        for interval in ("1s", "5s"):
            # Until it trades a symbol has bars of its quotes, of which a whole tape knows better.
            firsts = live.trades.groupby("symbol", observed=True).head(1)
            whole = firsts.index.max().ceil(interval)
            mine, tapes = (own.bars(interval).loc[whole:] for own in (live, tape))
            assert len(mine) >= len(live.symbols)
            pd.testing.assert_frame_equal(mine, tapes, check_categorical=False)


def test_it_goes_on_after_a_restart_of_the_feed(tmp_path: Path) -> None:
    options = ("--simulate", "AAPL,MSFT", "--rate", "500", "--state-dir", str(tmp_path / "state"))
    with serving(tmp_path, *options) as server:
        port = server.port
        live = Live(server.url, ["AAPL", "MSFT"], delivery="all")
        assert live.wait(n=200, seconds=LIMIT_S) >= 200
        server.stop(signal.SIGTERM)
        held = len(live.quotes)
    with serving(tmp_path, *options, "--port", str(port)), live:
        assert live.wait(n=500, seconds=LIMIT_S) >= 500
        assert live.stats.reconnects == 1
        assert live.stats.gaps == 0
        assert len(live.quotes) > held
        for _, own in live.quotes.groupby("symbol", observed=True):
            assert own["seq"].diff().dropna().eq(1).all()
