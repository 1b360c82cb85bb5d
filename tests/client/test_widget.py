from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from feed.client import widget as module
from feed.client.sheet import FIELDS
from feed.errors import MissingExtraError, SettingError
from feed.ticks import Quote, Trade
from tests.integration.running import wait_for

Fakes = Callable[..., Any]
START_NS = 1_767_623_400_000_000_000


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol, 1, START_NS, bid, 1, bid + 1, 1, 0)


def trade(symbol: str, price: float, seq: int = 1) -> Trade:
    return Trade(symbol, seq, START_NS, price, 10, 0)


def shown(widget: Any) -> dict[str, dict[str, float]]:
    """Give the figures that a view would show, by symbol."""
    symbols = widget.sheet.get("symbols", [])
    values = np.frombuffer(widget.sheet.get("values", b"")).reshape(len(symbols), len(FIELDS))
    rows = [dict(zip(FIELDS, row, strict=True)) for row in values.tolist()]
    return dict(zip(symbols, rows, strict=True))


def test_it_shows_what_comes(running: Fakes) -> None:
    feed = running()
    widget = feed.live.widget(rate=60)
    feed.give(quote("B", 1.0), trade("A", 5.0))
    wait_for(lambda: len(shown(widget)) == 2, "both symbols are shown")
    assert shown(widget)["B"]["bid"] == 1
    feed.give(trade("A", 6.0, 2))
    wait_for(lambda: shown(widget)["A"]["last"] == 6, "the newest price is shown")
    assert widget.sheet["state"].startswith("live · ")
    assert widget.selected == "A"
    assert np.frombuffer(widget.sheet["trail"]).tolist()[2:] == [5, 6]


def test_the_trail_is_of_the_symbol_that_is_selected(running: Fakes) -> None:
    feed = running()
    widget = feed.live.widget(rate=60)
    feed.give(trade("A", 5.0), trade("B", 7.0))
    wait_for(lambda: widget.sheet.get("selected") == "A", "the first is selected")
    widget.selected = "B"
    wait_for(lambda: np.frombuffer(widget.sheet["trail"])[-1] == 7, "the trail is of the other")


def test_several_show_the_same_feed(running: Fakes) -> None:
    feed = running()
    one, other = feed.live.widget(rate=60), feed.live.widget(rate=60)
    feed.give(trade("A", 5.0))
    wait_for(lambda: shown(one) and shown(other), "both show it")
    one.close()
    feed.give(trade("A", 6.0, 2))
    wait_for(lambda: shown(other)["A"]["last"] == 6, "the other goes on")
    assert shown(one)["A"]["last"] == 5


def test_nothing_is_sent_when_nothing_changes(running: Fakes) -> None:
    feed = running()
    widget = feed.live.widget(rate=60)
    feed.give(trade("A", 5.0))
    wait_for(lambda: shown(widget), "it is shown")
    sent: list[object] = []
    widget.observe(sent.append, "sheet")
    rounds = [0]
    update = widget._sheet.update

    def counted() -> bool:
        rounds[0] += 1
        return bool(update())

    widget._counted = (widget._counted[0] + 1e9, widget._counted[1], 0.0)
    widget._sheet.update = counted
    wait_for(lambda: rounds[0] > 5, "it has looked several times")
    assert len(sent) <= 1  # the line above the table may have changed once


def test_it_is_closed_once_it_is_in_no_page_any_more(
    running: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALONE_S", 0.0)
    widget = running().live.widget(rate=60)
    for view in ("one", "other"):
        widget._hear(widget, {"view": view, "open": True}, [])
    widget._hear(widget, {"view": "one", "open": False}, [])
    widget._hear(widget, {"view": "unknown", "open": False}, [])
    assert widget.comm is not None
    widget._hear(widget, {"view": "other", "open": False}, [])
    wait_for(lambda: widget.comm is None, "it is closed")


def test_a_page_that_is_left_may_come_back(running: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALONE_S", 0.0)
    feed = running()
    widget = feed.live.widget(rate=60)
    widget._hear(widget, {"view": "one", "open": True}, [])
    widget._hear(widget, {"view": "one", "open": False, "leaving": True}, [])
    feed.give(trade("A", 5.0))
    wait_for(lambda: shown(widget), "it goes on")
    widget._hear(widget, {"view": "other", "open": True}, [])
    widget._hear(widget, {"view": "other", "open": False}, [])
    wait_for(lambda: widget.comm is None, "it is closed")


def test_a_feed_goes_on_for_a_widget_that_is_in_a_page_only(
    running: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.0)
    feed = running()
    seen, unseen = feed.live.widget(rate=60), feed.live.widget(rate=60)
    seen._hear(seen, {"view": "one", "open": True}, [])
    live = weakref.ref(feed.live)
    feed.live = None
    wait_for(lambda: unseen._kept is None, "nobody has looked at it")
    gc.collect()
    assert live() is not None
    seen._hear(seen, {"view": "one", "open": False, "leaving": True}, [])
    wait_for(lambda: seen.comm is None, "its page has gone")
    gc.collect()
    assert live() is None
    wait_for(lambda: str(unseen.sheet.get("state")).startswith("closed"), "it says so")
    assert "text/html" not in unseen._repr_mimebundle_()[0]


def test_it_says_when_the_feed_is_closed(running: Fakes) -> None:
    feed = running()
    widget = feed.live.widget(rate=60)
    feed.give(trade("A", 5.0))
    wait_for(lambda: shown(widget), "it is shown")
    feed.live.close()
    assert widget.sheet["state"].startswith("closed · ")
    late = feed.live.widget()
    assert shown(late)["A"]["last"] == 5


def test_where_there_are_no_widgets_it_is_a_table(running: Fakes) -> None:
    feed = running()
    feed.give(trade("A", 5.0))
    data, _ = feed.live.widget()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "<table" in data["text/html"]
    assert "&lt;feed.Live ws://feed live: 1 trades&gt;" in feed.live._repr_html_()


def test_a_rate_that_is_none_is_told(running: Fakes) -> None:
    with pytest.raises(SettingError, match=r"rate must be a number from 0\.1 to 60, was 0"):
        running().live.widget(rate=0)


def test_a_missing_extra_is_told(running: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "feed.client.widget")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'feed\[notebook\]'"):
        running().live.widget()
