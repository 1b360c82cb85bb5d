from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rich.console import Console

from feed.cli.board import Board
from feed.cli.table import FLASH_S, Screen
from feed.client.events import Disconnect, Event, Snapshot
from feed.client.stats import Stats
from feed.ticks import Quote, Tick, Trade

AT = 1_610_064_000_123_456_789


def screen(**ticks: Any) -> Screen:
    connection = SimpleNamespace(stats=Stats(), connected=True, sources={"tape": "live"})
    vars(connection).update(ticks)
    return Screen(Board(), connection, "ws://h:1")  # type: ignore[arg-type]


def drawn(own: Screen, now_s: float = 0.0, height: int = 24, *, colour: bool = False) -> list[str]:
    system: Any = "standard" if colour else None
    console = Console(width=120, height=height, force_terminal=colour, color_system=system)
    with console.capture() as capture:
        console.print(own.draw(now_s, height))
    return [each.rstrip() for each in capture.get().splitlines()]


def test_a_row_shows_prices_with_signs_spread_change_volume_and_time() -> None:
    own = screen()
    own.take(
        [
            Quote("A", 1, AT, 1.25, 1, 1.75, 1, 0),
            Quote("A", 2, AT, 1.5, 1, 1.5, 1, 0),
            Trade("A", 1, AT, 2.0, 1_500, 0),
            Trade("A", 2, AT, 1.0, 1_000, 0),
        ]
    )
    cells = "A 1.50 ▲ 1.50 ▼ 0.00 1.00 ▼ -50.00 % ▼ 2,500 00:00:00.123"
    assert drawn(own)[1].split() == cells.split()


def test_a_symbol_without_ticks_is_a_row_of_dashes() -> None:
    own = screen()
    own.hear(Snapshot("A", {"quotes": 0}))
    assert drawn(own)[1].split() == ["A", *["–"] * 7]


def test_a_move_flashes_and_then_only_its_sign_stays_coloured(monkeypatch: Any) -> None:
    own = screen()
    monkeypatch.setattr("feed.cli.table.time.monotonic", lambda: 10.0)
    own.take([Trade("A", 1, AT, 1.0, 1, 0), Trade("A", 2, AT, 2.0, 1, 0)])
    flash, later = (
        drawn(own, now_s, colour=True)[1] for now_s in (10.0 + FLASH_S / 2, 10.0 + FLASH_S)
    )
    assert "\x1b[1;7;32m2.00" in flash
    assert "\x1b[1;7" not in later
    assert "2.00 \x1b[32m▲" in later


def test_a_table_taller_than_the_screen_shows_what_fits_and_counts_the_rest() -> None:
    own = screen()
    ticks: list[Tick] = [Trade(f"S{each:02}", 1, AT, 1.0, 1, 0) for each in range(30)]
    own.take(ticks)
    shown = drawn(own, height=10)
    assert len(shown) <= 10
    assert [text.split()[0] for text in shown[1:6]] == ["S00", "S01", "S02", "S03", "S04"]
    assert "… and 25 more symbols" in shown[7]


def test_the_footer_tells_state_rate_latency_and_losses(monkeypatch: Any) -> None:
    stats = Stats()
    own = screen(stats=stats)
    monkeypatch.setattr("feed.cli.table.time.time_ns", lambda: 5_000_000)
    drawn(own, 1.0)
    stats.ticks, stats.skipped, stats.gaps = 3_000, 1_234, 2
    own.take([Trade("A", 1, AT, 1.0, 1, 2_500_000)])
    foot = drawn(own, 3.0)[-1]
    assert foot == "● live ws://h:1  1,500 ticks/s  latency 2.5 ms  skipped 1,234  gaps 2"


def test_the_footer_tells_a_lost_connection_and_a_tape_that_ended() -> None:
    assert drawn(screen(connected=False))[-1].startswith("● reconnecting")
    assert drawn(screen(sources={"tape": "ended"}))[-1].startswith("● ended")
    own = screen()
    news: Event = Disconnect(4000, "drain\x1bing")
    own.hear(news)
    assert drawn(own)[-1].endswith("disconnected (4000 drain?ing), trying again")
