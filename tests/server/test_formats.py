from __future__ import annotations

import asyncio
import io
from typing import Any

import orjson
import pyarrow.ipc
import pyarrow.parquet
import pytest

from feed.history.log import Page
from feed.history.want import Position, Want
from feed.server.formats import FORMATS, accepted
from feed.ticks import Tick, Trade

WANT = Want("trades", "A", 10)
TICKS: list[Tick] = [Trade("A", seq, 5, 1.5, size, 9) for seq, size in ((1, 100), (2, None))]


def body(
    format: str, *chunks: list[Tick], want: Want = WANT, next: Position | None = None
) -> bytes:
    async def write() -> bytes:
        writer = FORMATS[format][1](want, Page("k3f9", TICKS, next))
        parts = [await writer.head(), *[await writer.chunk(own) for own in chunks]]
        return b"".join([*parts, await writer.tail()])

    return asyncio.run(write())


@pytest.mark.parametrize("chunks", [[TICKS], [TICKS[:1], TICKS[1:]], [[], TICKS]])
def test_json_is_one_object_however_it_is_cut(chunks: list[list[Tick]]) -> None:
    found = orjson.loads(body("json", *chunks, next=Position("k3f9", 3)))
    trade = {"type": "trade", "symbol": "A", "ts_event": 5, "price": 1.5, "ts_out": 9}
    assert found == {
        "symbol": "A",
        "channel": "trades",
        "epoch": "k3f9",
        "ticks": [{**trade, "seq": 1, "size": 100}, {**trade, "seq": 2, "size": None}],
        "next": "k3f9:3",
    }


def test_json_names_the_interval_that_was_asked_for() -> None:
    found = orjson.loads(body("json", want=Want("bars", "A", 10, interval="1m")))
    assert (found["interval"], found["ticks"], found["next"]) == ("1m", [], None)


def test_ndjson_is_a_tick_a_line() -> None:
    lines = body("ndjson", TICKS[:1], TICKS[1:]).splitlines()
    assert [orjson.loads(own)["seq"] for own in lines] == [1, 2]


def test_csv_has_a_row_of_names_and_empty_cells() -> None:
    assert body("csv", TICKS) == (
        b"symbol,seq,ts_event,price,size,ts_out\nA,1,5,1.5,100,9\nA,2,5,1.5,,9\n"
    )


@pytest.mark.parametrize(
    ("format", "read"),
    [
        ("arrow", lambda data: pyarrow.ipc.open_stream(data).read_all()),
        ("parquet", lambda data: pyarrow.parquet.read_table(io.BytesIO(data))),
    ],
)
def test_columns_hold_the_same(format: str, read: Any) -> None:
    table = read(body(format, TICKS))
    assert table.column("seq").to_pylist() == [1, 2]
    assert table.column("size").to_pylist() == [100, None]


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("TEXT/CSV;q=0.5, application/x-ndjson", "ndjson"),
        ("application/json;q=0.1, application/vnd.apache.parquet;q=0.9", "parquet"),
        ("application/vnd.apache.arrow.stream", "arrow"),
        ("text/html", None),
        ("application/json;q=0", None),
        ("application/json;q=x", None),
        (";;,,", None),
    ],
)
def test_the_format_that_is_liked_best_is_taken(accept: str, format: str | None) -> None:
    assert accepted(accept) == format
