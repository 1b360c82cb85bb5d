"""Ticks as DataFrames while they come: what a notebook or a script holds of a running feed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Coroutine, Iterable
from html import escape
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from feed.client.aio import Connection, Strings, connect
from feed.client.held import Held
from feed.client.outputs import keep_weakly
from feed.client.publishing import Publishable
from feed.client.stats import Stats
from feed.client.worker import Worker
from feed.errors import MissingExtraError, SettingError
from feed.protocol.messages import Published, Rejection, Subscribed
from feed.tape.frames import bars_frame, frame, last_frame
from feed.tape.ring import Codes, Columns, columns_of
from feed.ticks import CHANNEL_OF, Bar, Quote, Status, Trade

if TYPE_CHECKING:
    import pandas as pd

    from feed.client.sheet import Sheet
    from feed.client.widget import LiveWidget

MAX_TICKS: Final = 1_000_000


class Live:
    """A feed's ticks, collected in the background: `live = feed.Live(url, ["AAPL", "MSFT"])`.

    A thread of its own reads, also while a cell computes or sleeps. Frames are of what has come up
    to now and do not change afterwards. Use it in a `with` statement or call `close`; it also ends
    when it is garbage (as when its cell is run again) and with the kernel.

    Args:
        url: such as ws://127.0.0.1:8080.
        symbols: names, prefixes such as `BTC*`, or `*`; `subscribe` adds more at any time.
        channels: of quotes, trades, bars and status.
        max_ticks: how many of each channel are held; older ones are dropped.
        options: as in `feed.connect`, such as `delivery`, `token` or `wait_for_server`.

    Raises:
        ConnectionFailed: it cannot connect. An error later on is raised by the next call.
        SettingError: an argument is not allowed.
    """

    def __init__(
        self,
        url: str,
        symbols: Strings = (),
        *,
        channels: Strings = ("quotes", "trades"),
        max_ticks: int = MAX_TICKS,
        **options: Any,
    ) -> None:
        connection = connect(url, symbols, channels=channels, **options)
        self._begin(url, connection, max_ticks)

    def _begin(self, name: str, connection: Connection, max_ticks: int) -> None:
        self._name = name
        self._told = False
        self._connection = connection
        self._held = Held(max_ticks, connection.epochs)
        self._worker = Worker(connection, self._held.take, self._held.end)
        self._finish = weakref.finalize(self, self._worker.stop)  # also at the interpreter's exit
        self._worker.start()
        keep_weakly(Live)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what is held stays."""
        self._finish()

    def __repr__(self) -> str:
        held = ", ".join(f"{len(ring):,} {name}" for name, ring in self._held.by_channel())
        refused = f", {len(self.rejected):,} rejected" if self.rejected else ""
        return f"<feed.Live {self._name} {self.state}: {held or 'no ticks yet'}{refused}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a feed.Live is a connection, so copy or pickle its frames: live.quotes, …")

    # Ticks

    @property
    def quotes(self) -> pd.DataFrame:
        """The quotes held, in the order they came."""
        return self._frame(Quote)

    @property
    def trades(self) -> pd.DataFrame:
        """The trades held, in the order they came."""
        return self._frame(Trade)

    @property
    def status(self) -> pd.DataFrame:
        """The changes of trading status held; subscribe to the channel `status` to have any."""
        return self._frame(Status)

    def bars(self, interval: str) -> pd.DataFrame:
        """Give bars such as 1s or 5min by time and symbol, the last one of each symbol still open.

        Subscribe to the channel `bars` to have the feed's own, which are of 1s and 1m. Where there
        is none they are made of the trades held, or of mid-quotes where a symbol has no trades
        (`basis`).
        """
        self._check()
        bars, trades, quotes = (self._held.columns(kind) for kind in (Bar, Trade, Quote))
        return bars_frame(bars, trades, quotes, interval)

    @property
    def last(self) -> pd.DataFrame:
        """The newest quote and trade of each symbol, one row per symbol, snapshots included."""
        self._check()
        return self._last

    @property
    def _last(self) -> pd.DataFrame:
        return last_frame(self._newest(Quote), self._newest(Trade))

    def wait(self, n: int | None = None, seconds: float | None = None) -> int:
        """Wait for `n` more ticks, at most `seconds`; gives how many came meanwhile.

        It also returns when no more will come: it is closed, or nothing has come for two seconds
        while nothing is subscribed or all sources of the feed have ended.

        Raises:
            FeedError: why the connection has ended.
        """
        if n is None and seconds is None:
            raise SettingError("n", "or seconds must be given")
        try:
            came = self._held.wait(n, seconds, lambda: self._connection.expects_none)
        except KeyboardInterrupt:
            del self  # or the notebook's traceback of it would keep this alive
            raise
        self._check()
        return came

    # Commands

    def subscribe(self, symbols: Strings, **terms: Any) -> Subscribed:
        """Ask for more, or for other terms; the arguments are those of `Connection.subscribe`."""
        return self._worker.call(lambda: self._connection.subscribe(symbols, **terms))

    def unsubscribe(self, symbols: Strings, *, channels: Strings | None = None) -> Subscribed:
        """Ask for less, on all channels unless some are named; what is held stays."""
        return self._worker.call(lambda: self._connection.unsubscribe(symbols, channels=channels))

    def publish(self, ticks: Publishable | Iterable[Publishable]) -> Published:
        """Publish ticks of your own, and wait for the answer: see `Connection.publish`."""
        return self._worker.call(lambda: self._connection.publish(ticks))

    def publish_frame(self, frame: pd.DataFrame, *, symbol: str | None = None) -> Published:
        """Publish the rows of a DataFrame: see `Connection.publish_frame`."""
        return self._worker.call(lambda: self._connection.publish_frame(frame, symbol=symbol))

    @property
    def subscriptions(self) -> dict[str, list[str]]:
        """What the server last said it sends: channel -> names and patterns."""
        return self._connection.subscriptions

    @property
    def rejected(self) -> list[Rejection]:
        """The symbols that were asked for and are not sent, or not on every channel, and why."""
        return self._connection.rejected

    # What is known

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._worker.running and self._connection.connected

    @property
    def state(self) -> str:
        """In a word: live, connecting or closed."""
        return "live" if self.connected else "connecting" if self._worker.running else "closed"

    @property
    def stats(self) -> Stats:
        """Counts and latencies since the first connection."""
        return self._connection.stats

    @property
    def sources(self) -> dict[str, str]:
        """Each source's state, as the last heartbeat had it: live, paused, ended or stalled."""
        return self._connection.sources

    @property
    def symbols(self) -> list[str]:
        """The symbols of which ticks have come, sorted."""
        return sorted(self._held.symbols)

    # In a notebook

    def widget(self, rate: float = 15.0) -> LiveWidget:
        """Show a live table and chart, in a notebook: the last expression of a cell.

        Args:
            rate: updates per second, at most.

        Raises:
            MissingExtraError: the extra `notebook` is not installed.
        """
        if not 0.1 <= rate <= 60:
            raise SettingError("rate", f"must be a number from 0.1 to 60, was {rate}")
        try:
            from feed.client.widget import LiveWidget
        except ImportError:
            raise MissingExtraError("notebook", "live.widget()") from None
        return LiveWidget(self, rate)

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self._last.to_html(max_rows=60, na_rep='–')}"

    def new_sheet(self) -> Sheet:
        """Make what a widget shows of this."""
        from feed.client.sheet import Sheet

        connection = self._connection  # not self, which is to end when nobody else has it
        return Sheet(self._held, lambda: connection.snapshots)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        """Run something in the background thread until this is closed; gives what stops it."""
        return self._worker.run(main)

    def _frame(self, kind: type) -> pd.DataFrame:
        self._check()
        return frame(self._held.columns(kind))

    def _newest(self, kind: type) -> Columns:
        channel = CHANNEL_OF[kind]
        names = {*self._connection.snapshots.copy(), *list(self._held.symbols)}
        found = (self._connection.last(name, channel) for name in names)
        ticks = [tick for tick in found if tick is not None]
        symbols = Codes()
        arrays = columns_of(kind, ticks, symbols)
        return Columns(kind, tuple(symbols), arrays)

    def _check(self) -> None:
        """Raise why the connection has ended, once: what is held can be had afterwards."""
        failure = self._worker.failure
        if failure is not None and not self._told:
            self._told = True
            raise failure
