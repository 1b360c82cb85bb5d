"""A number of ticks, or some seconds of them, as one DataFrame: for scripts, without any loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feed.client.aio import Strings, connect
from feed.client.held import Held
from feed.client.worker import Worker
from feed.errors import MessageError, SettingError
from feed.tape.frames import frame, joined_frame
from feed.ticks import CHANNEL_OF, Tick

if TYPE_CHECKING:
    import pandas as pd


def ticks(
    url: str,
    symbols: Strings,
    *,
    n: int | None = None,
    seconds: float | None = None,
    channels: Strings = ("quotes", "trades"),
    **options: Any,
) -> pd.DataFrame:
    """Collect ticks and give them as a DataFrame: `feed.ticks(url, "AAPL", seconds=5)`.

    Ticks of one channel have the columns of `Live`; those of several share one frame, in the order
    they came, with their kind in the column `type`. It also ends when the feed's sources have.

    Args:
        url: such as ws://127.0.0.1:8080.
        symbols: names, prefixes such as `BTC*`, or `*`.
        n: how many ticks of all channels together, at most.
        seconds: how long, at most.
        channels: of quotes, trades, bars and status.
        options: as in `feed.connect`.

    Raises:
        ConnectionFailed: it cannot connect, or the connection has ended before.
        MessageError: the feed sends none of these symbols; it says why.
        SettingError: neither n nor seconds is given, or an argument is not allowed.
    """
    if n is None and seconds is None:
        raise SettingError("n", "or seconds must be given")
    connection = connect(url, symbols, channels=channels, **options)
    held, kinds = Held(None, connection.epochs), list[type]()

    def take(arrived: list[Tick]) -> None:
        kinds.extend(map(type, arrived))
        held.take(arrived)

    worker = Worker(connection, take, held.end)
    worker.start()
    try:
        if connection.rejected and connection.expects_none:
            raise MessageError(connection.rejected[0].code, connection.rejected[0].message)
        held.wait(n, seconds, lambda: connection.expects_none, since=0)
    finally:
        worker.stop()
    if worker.failure is not None:
        raise worker.failure
    return _frame(held, kinds[:n], [channels] if isinstance(channels, str) else list(channels))


def _frame(held: Held, kinds: list[type], channels: list[str]) -> pd.DataFrame:
    wanted = [kind for kind, channel in CHANNEL_OF.items() if channel in channels]
    if len(wanted) == 1:
        return frame(held.columns(wanted[0]).take(slice(len(kinds))))
    return joined_frame([held.columns(kind) for kind in wanted], kinds)
