from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import feed
from feed.errors import SettingError, TapeError
from feed.tape.block import Part, TickBlock
from feed.tape.options import TapeOptions
from feed.tape.reader import open_tape
from feed.tape.view import TapeView
from feed.ticks import Bar, Quote, Status, Tick, Trade
from tests.fakes import FakeClock

SHIPPED = Path(__file__).parents[2] / "replay_data"

MIXED = """\
type,symbol,ts_event,bid,bid_size,ask,ask_size,price,size,status
quote,A,1767623400000000000,1.0,100,2.0,200,,,
trade,A,1767623400000000001,,,,,1.5,10,
quote,B,1767623401000000000,5.0,100,6.0,,,,
quote,A,1767623402000000000,1.25,100,2.25,200,,,
status,A,1767623403000000000,,,,,,,halted
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.csv"
    path.write_text(MIXED)
    return path


def ticks_of(path: Path) -> list[Tick]:
    blocks: list[TickBlock] = list(open_tape([path], TapeOptions()).blocks())
    return [tick for block in blocks for tick in block.ticks(0, len(block))]


def test_frames_hold_every_tick_of_the_tape_row_by_row() -> None:
    path = SHIPPED / "synthetic-ticks.csv.gz"
    tape = feed.tape(path)
    ticks = ticks_of(path)
    for kind, table in ((Quote, tape.quotes), (Trade, tape.trades)):
        own = [tick for tick in ticks if type(tick) is kind]
        assert len(table) == len(own) > 10_000
        assert table.index.astype(int).tolist() == [tick.ts_event for tick in own]
        for name in set(kind.__struct_fields__) - {"seq", "ts_event", "ts_out"}:
            assert table[name].tolist() == [getattr(tick, name) for tick in own], name


def test_ticks_are_numbered_as_a_feed_would(mixed: Path) -> None:
    tape = feed.tape(mixed)
    assert tape.quotes["seq"].tolist() == [1, 1, 2]
    assert tape.trades["seq"].tolist() == [1]
    assert tape.quotes["ts_out"].isna().all()
    assert tape.status["status"].tolist() == ["halted"]
    assert tape.symbols == ["A", "B"]
    assert repr(tape) == "<tape mixed.csv>"


def test_the_last_values_at_a_moment_include_it(mixed: Path) -> None:
    tape = feed.tape(mixed)
    before = tape.as_of(1767623401999999999)
    assert before["bid"].to_dict() == {"A": 1.0, "B": 5.0}
    at = tape.as_of("2026-01-05T14:30:02Z")
    assert at["bid"].to_dict() == {"A": 1.25, "B": 5.0}
    assert at.loc["A", "price"] == 1.5
    assert at["ask_size"].isna().to_dict() == {"A": False, "B": True}
    assert len(tape.as_of("2026-01-05")) == 0


def test_bars_are_made_of_ticks_unless_the_tape_has_them(mixed: Path) -> None:
    made = feed.tape(mixed).bars("1s")
    assert made["symbol"].tolist() == ["A", "B"]
    assert made["basis"].tolist() == ["trades", "quotes"]
    daily = feed.tape(SHIPPED / "daily-bars.csv.gz").bars("1d")
    assert len(daily) > 10_000
    assert daily.index.is_monotonic_increasing


def test_a_tape_may_be_cut_and_its_columns_named(tmp_path: Path, mixed: Path) -> None:
    cut = feed.tape(mixed, start="2026-01-05T14:30:01", end="2026-01-05T14:30:02")
    assert cut.quotes["symbol"].tolist() == ["B"]
    path = tmp_path / "odd.csv"
    path.write_text("when,B1,A1\n2026-01-05T14:30:00,1.0,2.0\n")
    mapping = {"ts_event": "when", "bid": "B1", "ask": "A1"}
    assert feed.tape(path, symbol="X", map=mapping).quotes["bid"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"start": "soon"}, "start must be a time such as"),
        ({"speed": 1}, "speed is no option of a tape, which are symbol, map"),
        ({"symbol": "a b"}, "symbol must be"),
    ],
)
def test_a_wrong_option_is_told(mixed: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        feed.tape(mixed, **options)


def test_a_tape_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TapeError):
        feed.tape(tmp_path / "none.csv")


class Waits(FakeClock):
    """A clock that sleeping moves on."""

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


def test_a_replay_gives_each_tick_at_its_time(mixed: Path) -> None:
    clock = Waits()
    tape = TapeView(open_tape([mixed], TapeOptions()), clock=clock, sleep=clock.sleep)
    seen = [(type(tick), tick.seq, clock.passed_s) for tick in tape.replay(speed=2)]
    assert [own[:2] for own in seen] == [
        (Quote, 1),
        (Trade, 1),
        (Quote, 1),
        (Quote, 2),
        (Status, 1),
    ]
    assert [own[2] for own in seen] == pytest.approx([0, 0, 0.5, 1.0, 1.5], abs=1e-6)
    assert [tick.ts_out for tick in tape.replay(speed=0)] == [clock.wall_ns] * 5
    assert clock.passed_s == pytest.approx(1.5)


class Recorded:
    """A tape that was played in a loop and recorded: its time goes back."""

    def blocks(self) -> Iterator[TickBlock]:
        times = np.array([20, 30, 10]) * 10**9
        due = np.array([5, 6, 7]) * 10**9
        columns = {"price": np.array([1.0, 2.0, 3.0]), "size": np.ones(3), "ts_out": due}
        names = np.array(["A"], object)
        part = Part(Trade, None, names, np.zeros(3, np.int32), columns)
        yield TickBlock(times, (part,), due)


def test_a_recording_may_go_back_in_time() -> None:
    clock = Waits()
    tape = TapeView(cast(Any, Recorded()), clock=clock, sleep=clock.sleep)
    assert tape.trades["ts_out"].astype(int).tolist() == [5 * 10**9, 6 * 10**9, 7 * 10**9]
    assert tape.as_of(25 * 10**9)["price"].tolist() == [3.0]
    assert [tick.seq for tick in tape.replay()] == [1, 2, 3]
    assert clock.passed_s == pytest.approx(2.0)


def test_a_replay_begins_when_the_first_tick_is_asked_for(mixed: Path) -> None:
    clock = Waits()
    ticks = TapeView(open_tape([mixed], TapeOptions()), clock=clock, sleep=clock.sleep).replay()
    clock.passed_s = 100.0
    list(ticks)
    assert clock.passed_s == pytest.approx(103.0)


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf")])
def test_what_is_no_speed_is_told_at_once(mixed: Path, speed: float) -> None:
    with pytest.raises(SettingError, match="speed must be 0 or more"):
        feed.tape(mixed).replay(speed)


def test_bars_of_a_tape_keep_their_own_columns() -> None:
    columns = pd.Index(feed.tape(SHIPPED / "daily-bars.csv.gz").bars("1d").columns)
    assert set(columns) < set(Bar.__struct_fields__)
