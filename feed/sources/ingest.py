"""Where ticks of publishers enter: each is checked by itself, stamped, and handed on.

A tick that is no good is left out with the reason, and its neighbours go through. What a publisher
may not say (seq, ts_out, who it is) has no place in what it sends, so there is nothing to forge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, Protocol

from feed import codes
from feed.clock import Clock
from feed.errors import TickError
from feed.protocol.describe import describe
from feed.protocol.messages import BadTick
from feed.protocol.newticks import AnyNewTick, NewBar, NewQuote, NewStatus, NewTrade
from feed.sources.base import Publish, SourceState
from feed.sources.pace import Position
from feed.symbols import SYMBOL_GRAMMAR, symbol_ok
from feed.ticks import Bar, Quote, Status, Tick, Trade

EARLIEST_NS: Final = 10**17
"""1973: anything before it is seconds, milliseconds or microseconds, taken for nanoseconds."""

AHEAD_NS: Final = 600_000_000_000
"""How far a publisher's clock may be ahead; a wrong time zone is further."""

SILENT_S: Final = 30.0
"""After so long without a tick of any publisher, the source counts as paused."""

CHANNEL_OF_NEW: Final[dict[type, str]] = {
    NewQuote: "quotes",
    NewTrade: "trades",
    NewBar: "bars",
    NewStatus: "status",
}

Through = Callable[[list[Tick]], list[Tick]]
"""Stamps a publisher's ticks and fans them out; gives all that went out, bars included."""


class Publisher(Protocol):
    """Who sends ticks."""

    @property
    def name(self) -> str: ...

    def may_publish(self, channel: str, symbol: str) -> bool: ...


class Receipt(NamedTuple):
    """What became of the ticks of one publish.

    Attributes:
        ticks: those taken, stamped, in order.
        seqs: one for each tick offered, None where it was rejected.
        rejected: the others, with the reason.
        burst: everything that was fanned out: the ticks, and among them the bars they closed.
    """

    ticks: list[Tick]
    seqs: list[int | None]
    rejected: list[BadTick]
    burst: list[Tick]


class Way:
    """One publisher's way in.

    Attributes:
        admitted: the symbols it has been found to be entitled to, by kind of tick.
    """

    def __init__(self, publisher: Publisher, through: Through) -> None:
        self.publisher = publisher
        self.through = through
        self.admitted: dict[type, set[str]] = {kind: set() for kind in CHANNEL_OF_NEW}


class Ingest:
    """The source of everything that is published from outside; see `feed.sources.base.Source`.

    Ticks do not come from `run` but from `publish`, called for each session and request.

    Args:
        open_through: makes the way of one publisher's ticks into the feed.
        allow_crossed: take quotes whose bid is above their ask.
        symbols_limit: how many symbols publishers may name, all together.
    """

    controls: Final = None
    brings_bars: Final = False

    def __init__(
        self,
        open_through: Callable[[], Through],
        *,
        clock: Clock,
        allow_crossed: bool = False,
        symbols_limit: int = 10_000,
        name: str = "publishers",
    ) -> None:
        self.name = name
        self.total: int | None = None
        self._open_through = open_through
        self._clock = clock
        self._allow_crossed = allow_crossed
        self._symbols_limit = symbols_limit
        self._symbols: set[str] = set()
        self._ways: dict[str, Way] = {}
        self._ts_event: int | None = None
        self._ticks = 0
        self._last_s = -SILENT_S

    @property
    def symbols(self) -> frozenset[str] | None:
        return None

    @property
    def state(self) -> SourceState:
        """Give `live` while ticks come, `paused` while no publisher sends any."""
        silent_s = self._clock.monotonic_s() - self._last_s
        return "live" if silent_s < SILENT_S else "paused"

    @property
    def position(self) -> Position:
        return Position(self._ts_event, self._ticks, 1.0)

    async def run(self, publish: Publish) -> None:
        """Be there until cancelled."""
        await asyncio.Event().wait()

    def publish(self, publisher: Publisher, offered: Iterable[Any]) -> Receipt:
        """Take the good ones among ticks offered: NewTicks, and TickErrors in place of others."""
        way = self._way(publisher)
        now_ns = self._clock.now_ns()
        ticks: list[Tick] = []
        rejected: list[BadTick] = []
        for index, new in enumerate(offered):
            try:
                ticks.append(self._taken(new, way, now_ns))
            except TickError as error:
                rejected.append(BadTick(index, error.symbol, error.code, str(error)))
        burst = way.through(ticks) if ticks else []
        self._count(ticks)
        seqs: list[int | None] = [tick.seq for tick in ticks]
        for bad in rejected:
            seqs.insert(bad.index, None)
        return Receipt(ticks, seqs, rejected, burst)

    def _taken(self, new: Any, way: Way, now_ns: int) -> Tick:
        if isinstance(new, TickError):
            raise new
        kind = new.__class__
        if new.symbol not in way.admitted[kind]:
            self._admit(new, way)
        ts_event = now_ns if new.ts_event is None else new.ts_event
        if ts_event != now_ns and not EARLIEST_NS <= ts_event <= now_ns + AHEAD_NS:
            raise _bad(
                new,
                "ts_event must be nanoseconds since 1970, after 1973 and not in the future,"
                f" was {describe(ts_event)}",
            )
        if kind is NewQuote:
            if new.bid > new.ask and not self._allow_crossed:
                raise _bad(new, f"bid must not be above ask, was {new.bid} above {new.ask}")
            return Quote(new.symbol, 0, ts_event, new.bid, new.bid_size, new.ask, new.ask_size, 0)
        if kind is NewTrade:
            return Trade(new.symbol, 0, ts_event, new.price, new.size, 0)
        return _bar(new, ts_event) if kind is NewBar else _status(new, ts_event)

    def _admit(self, new: AnyNewTick, way: Way) -> None:
        """Check what need be checked once for each symbol of a publisher."""
        symbol, channel = new.symbol, CHANNEL_OF_NEW[new.__class__]
        if not symbol_ok(symbol):
            text = f"symbol must be {SYMBOL_GRAMMAR}, was {describe(symbol)}"
            raise TickError(codes.BAD_SYMBOL, text, symbol)
        if not way.publisher.may_publish(channel, symbol):
            text = f"{way.publisher.name} may not publish {channel} of {symbol}"
            raise TickError(codes.NOT_ENTITLED, text, symbol)
        if symbol not in self._symbols:
            if len(self._symbols) >= self._symbols_limit:
                text = (
                    f"publishers may name {self._symbols_limit} symbols, {symbol} is one too many"
                )
                raise TickError(codes.LIMIT_EXCEEDED, text, symbol)
            self._symbols.add(symbol)
        way.admitted[new.__class__].add(symbol)

    def _way(self, publisher: Publisher) -> Way:
        """Give a publisher's way; one whose entitlements changed is checked anew."""
        way = self._ways.get(publisher.name)
        if way is None or way.publisher != publisher:
            through = way.through if way else self._open_through()
            way = self._ways[publisher.name] = Way(publisher, through)
        return way

    def _count(self, ticks: list[Tick]) -> None:
        if ticks:
            self._ticks += len(ticks)
            self._ts_event = ticks[-1].ts_event
            self._last_s = self._clock.monotonic_s()


def _bar(new: NewBar, ts_event: int) -> Bar:
    if not new.low <= min(new.open, new.close) <= max(new.open, new.close) <= new.high:
        raise _bad(
            new,
            "open and close must be within low and high, were"
            f" {new.open} and {new.close} within {new.low} and {new.high}",
        )
    if not (new.interval.isascii() and new.interval.isalnum()):
        raise _bad(new, f"interval must be letters and digits, was {describe(new.interval)}")
    return Bar(
        new.symbol,
        0,
        new.interval,
        ts_event,
        new.open,
        new.high,
        new.low,
        new.close,
        new.volume,
        new.vwap,
        new.trades,
        0,
        new.basis,
    )


def _status(new: NewStatus, ts_event: int) -> Status:
    for name, text in (("status", new.status), ("reason", new.reason or "")):
        if not text.isprintable():
            raise _bad(new, f"{name} must be printable, was {describe(text)}")
    return Status(new.symbol, 0, ts_event, new.status, new.reason, 0)


def _bad(new: AnyNewTick, text: str) -> TickError:
    return TickError(codes.BAD_TICK, text, new.symbol)
