from __future__ import annotations

import pytest

from feed.cli import lines
from feed.client.events import (
    Disconnect,
    Disorder,
    Event,
    Gap,
    Notice,
    Reconnected,
    Skipped,
    Stale,
)
from feed.ticks import Bar, Quote, Status, Tick, Trade

AT = 1_610_064_000_123_456_789


@pytest.mark.parametrize(
    ("tick", "text"),
    [
        (Quote("A", 7, AT, 1.5, 100, 1.6, None, 0), "quote  A        bid 1.5 x 100 ask 1.6 #7"),
        (Trade("BTC/USDT", 7, AT, 40_000.5, 0.25, 0), "trade  BTC/USDT 40000.5 x 0.25 #7"),
        (
            Bar("A", 7, "1m", AT, 1.0, 2.0, 0.5, 1.5, 10, None, 3, 0),
            "bar    A        1m open 1.0 high 2.0 low 0.5 close 1.5 volume 10 #7",
        ),
        (Status("A", 7, AT, "halted", "news", 0), "status A        halted news #7"),
        (Status("A", 7, AT, "trading", None, 0), "status A        trading #7"),
    ],
)
def test_a_tick_is_one_line(tick: Tick, text: str) -> None:
    assert lines.line(tick) == f"2021-01-08T00:00:00.123456Z {text}"


@pytest.mark.parametrize(
    ("ts_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (10**30, f"{10**30}"),
    ],
)
def test_a_time_is_utc_and_none_breaks_it(ts_ns: int, text: str) -> None:
    assert lines.utc(ts_ns) == text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Gap("quotes", "A", 3, 5), "lost 3 of quotes A, seq 3 to 5"),
        (Disorder("quotes", "A", 3, "late"), "quotes A: seq 3 came late"),
        (Disconnect(4000, "draining"), "disconnected (4000 draining), trying again"),
        (Disconnect(1005, ""), "disconnected (1005), trying again"),
        (Stale(15.0), "nothing came for 15 s, giving the connection up"),
        (Reconnected(1, True), "reconnected"),
        (Reconnected(1, False), "reconnected, the numbering began anew"),
        (Notice("maintenance"), "the server says: maintenance"),
        (Skipped("quotes", "A", 1, 2, 2, "conflated"), ""),
    ],
)
def test_an_event_is_one_line_or_no_news(event: Event, text: str) -> None:
    assert lines.describe(event) == text


def test_what_a_server_says_cannot_drive_the_terminal() -> None:
    assert lines.printable("a\x1b[2Jb\r\n") == "a?[2Jb??"


def test_json_lines_are_those_of_the_wire(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    lines.write_json([Trade("A", 1, 2, 1.5, None, 3), Trade("A", 2, 2, 1.5, 4, 3)])
    out = capsysbinary.readouterr().out.splitlines()
    assert len(out) == 2
    assert out[0] == (
        b'{"type":"trade","symbol":"A","seq":1,"ts_event":2,"price":1.5,"size":null,"ts_out":3}'
    )
