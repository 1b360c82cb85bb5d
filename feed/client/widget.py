"""A live table and chart in a notebook: the widget of `Live`, through anywidget.

The thread that reads the feed also shows it, so the widget moves while a cell computes. What each
view in a page shows is in feed/web/widget.js.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

import anywidget
import traitlets

from feed.client.modules import joined, styles

if TYPE_CHECKING:
    from feed.client.live import Live

ALONE_S: Final = 5.0
"""How long a widget that was taken off its last page waits: a cell that is moved comes back."""

AWAY_S: Final = 60.0
"""How long it waits for a page that was left, as one does that is loaded again, and for a first."""


class LiveWidget(anywidget.AnyWidget):
    """Shows a Live; several may show the same one.

    Close it, or remove its cell: then it costs nothing any more. It keeps the Live going only while
    it is in a page.
    """

    _esm: ClassVar[str] = joined("widget.js")
    _css: ClassVar[str] = styles("table.css", "widget.css", root=".feed-live")

    sheet = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(self, live: Live, rate: float) -> None:
        super().__init__()
        self._live = weakref.ref(live)
        self._kept: Live | None = live
        self._interval_s = 1 / rate
        self._views: set[str] = set()
        self._was_seen = False
        self._alone_from_s = time.monotonic() + AWAY_S
        self._stats = live.stats
        self._counted = (time.monotonic(), live.stats.ticks, 0.0)
        self._sheet = live.new_sheet()
        self._showing = live.run(self._show)
        self.on_msg(self._hear)
        if live.state == "closed":
            self._update()

    def close(self) -> None:
        """Stop showing, and be forgotten by the notebook."""
        self._kept = None
        self._showing()
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Give the widget, and a table that does not move for where there are no widgets."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        (data, metadata), live = bundle, self._live()
        return ({**data, "text/html": live._repr_html_()} if live else data), metadata

    async def _show(self) -> None:
        try:
            due_s = time.monotonic()
            while not self._is_left():
                if self._is_alone():
                    self._kept = None
                self._update()
                due_s = max(due_s + self._interval_s, time.monotonic())
                await asyncio.sleep(due_s - time.monotonic())
            self.close()
        finally:
            with suppress(Exception):  # the kernel may be at its end
                self._update()

    def _update(self) -> None:
        """Send what is to be shown, if it is not what was sent last."""
        changed, state = self._sheet.update(), self._state()
        symbols, values = self._sheet.symbols, self._sheet.values
        if symbols and self.selected not in symbols:
            self.selected = min(symbols)
        shown = self.selected
        if not changed and (state, shown) == (self.sheet.get("state"), self.sheet.get("selected")):
            return
        trail = self._sheet.trail(shown).tobytes() if symbols else b""
        self.sheet = {
            "symbols": symbols,
            "values": values.tobytes(),
            "trail": trail,
            "state": state,
            "selected": shown,
        }

    def _state(self) -> str:
        """Say in a line how the connection is, with ticks per second over the last one."""
        live, (since_s, ticks, rate) = self._live(), self._counted
        passed_s, came = time.monotonic() - since_s, self._stats.ticks
        if passed_s >= 1:
            rate = (came - ticks) / passed_s
            self._counted = (since_s + passed_s, came, rate)
        return f"{live.state if live else 'closed'} · {rate:,.0f} ticks/s · {came:,} so far"

    def _hear(self, _: object, content: dict[str, Any], __: object) -> None:
        """Take note of a view that has come or gone, perhaps with its page."""
        view = str(content.get("view"))
        if content.get("open"):
            self._views.add(view)
            self._was_seen, self._kept = True, self._live()
        elif view in self._views:
            self._views.discard(view)
            self._alone_from_s = time.monotonic() + (AWAY_S if content.get("leaving") else ALONE_S)

    def _is_alone(self) -> bool:
        return not self._views and time.monotonic() > self._alone_from_s

    def _is_left(self) -> bool:
        return self._was_seen and self._is_alone()
