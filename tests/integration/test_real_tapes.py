"""Real files, as users bring them, replayed through a running feed: a client gets every row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import ROOT, client, has_every_seq, serving

DATA = ROOT.parent / "shared" / "data"
PASS_S = 0.8

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real tapes of ../shared/data are not on this machine"
)

Row = dict[str, Any]


@dataclass(frozen=True)
class RealTape:
    """A file, the flags it takes, and how this test reads it by other means than feed's own."""

    name: str
    flags: tuple[str, ...]
    kind: str
    symbol: str


TAPES = [
    RealTape("btcusdt-quotes.parquet", (), "quote", "BTC/USDT"),
    RealTape("btcusdt-trades.parquet", ("--symbol", "BTCUSDT"), "trade", "BTCUSDT"),
    RealTape("usdjpy-ticks.csv", ("--symbol", "USDJPY"), "quote", "USDJPY"),
    RealTape("quote_tick_data.csv", ("--symbol", "EURUSD"), "quote", "EURUSD"),
]


def rows_of(tape: RealTape) -> Iterator[Row]:
    readers = {
        "btcusdt-quotes.parquet": quotes_of_binance,
        "btcusdt-trades.parquet": trades_of_binance,
        "usdjpy-ticks.csv": quotes_of_truefx,
        "quote_tick_data.csv": quotes_of_histdata,
    }
    return readers[tape.name](DATA / tape.name)


def quotes_of_binance(path: Path) -> Iterator[Row]:
    for row in parquet_rows(path):
        names = ("bid", "bid_size", "ask", "ask_size")
        yield {"ts_event": row["timestamp"], **{name: row[name] for name in names}}


def trades_of_binance(path: Path) -> Iterator[Row]:
    for row in parquet_rows(path):
        yield {"ts_event": row["timestamp"], "price": row["price"], "size": row["quantity"]}


def parquet_rows(path: Path) -> Iterator[Row]:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'tapes' is not installed")
    table = parquet.read_table(path)
    times = table.column("timestamp")
    assert str(times.type) == "timestamp[ms, tz=UTC]"
    for row, at_ms in zip(table.to_pylist(), times.cast("int64").to_pylist(), strict=True):
        yield {**row, "timestamp": at_ms * 1_000_000}


def quotes_of_truefx(path: Path) -> Iterator[Row]:
    for line in islice(path.read_text().splitlines(), 1, None):
        at, bid, ask = line.split(",")
        yield quote_without_sizes(nanoseconds(at.removesuffix("+00:00")), bid, ask)


def quotes_of_histdata(path: Path) -> Iterator[Row]:
    for line in path.read_text().splitlines():
        at, bid, ask, _volume = line.split(",")
        day, time = at.split()
        iso = f"{day[:4]}-{day[4:6]}-{day[6:]} {time[:2]}:{time[2:4]}:{time[4:6]}.{time[6:]}"
        yield quote_without_sizes(nanoseconds(iso), bid, ask)


def quote_without_sizes(ts_event: int, bid: str, ask: str) -> Row:
    return {"ts_event": ts_event, "bid": float(bid), "ask": float(ask),
            "bid_size": None, "ask_size": None}  # fmt: skip


def nanoseconds(iso: str) -> int:
    """Read a UTC time without a float in between."""
    from calendar import timegm
    from time import strptime

    whole, _, fraction = iso.partition(".")
    return timegm(strptime(whole, "%Y-%m-%d %H:%M:%S")) * 10**9 + int(fraction.ljust(9, "0"))


@pytest.mark.parametrize("tape", TAPES, ids=lambda tape: tape.name)
def test_a_client_gets_a_real_tape_row_by_row(tape: RealTape, tmp_path: Path) -> None:
    rows = list(rows_of(tape))
    assert len(rows) > 400
    speed = (rows[-1]["ts_event"] - rows[0]["ts_event"]) / 1e9 / PASS_S
    replay = ("--replay", str(DATA / tape.name), *tape.flags)
    pace = ("--speed", f"{speed:.0f}", "--loop")
    with serving(tmp_path, *replay, *pace) as feed, client(feed, batch=True) as own:
        own.subscribe(tape.symbol, delivery="all", snapshot=False)
        ticks = own.ticks(len(rows) + 10)
    assert has_every_seq(ticks)
    for tick in ticks:
        row = rows[(tick["seq"] - 1) % len(rows)]
        assert (tick["type"], tick["symbol"]) == (tape.kind, tape.symbol)
        assert {name: tick[name] for name in row} == row
