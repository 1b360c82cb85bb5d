"""The path of a tick: the loops that every tick, and every delivered tick, goes through.

They are here in Python, to be read, and with `Pending` in `_path.c`, which is used where it could
be compiled (FEED_PURE_PYTHON=1 keeps to Python). A burst is two lists: ticks, and the stream of
each.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from feed.hub import log, pending, sums
from feed.protocol.frames import text_frame
from feed.ticks import Tick, Trade

if TYPE_CHECKING:
    from feed.hub.cohort import Cohort, Member
    from feed.hub.stream import Stream

Left: TypeAlias = "tuple[Cohort, Sequence[tuple[Member, int]]]"
"""A cohort that still holds what was pending, and its members that took less of it."""

Ticked: TypeAlias = "tuple[dict[str, Stream], ...]"
"""The streams that have ticked, by symbol, for each of `CHANNELS`."""

Sent: TypeAlias = "tuple[tuple[int, ...], int, list[Left]]"
"""The ticks that were handed over, of each of `CHANNELS`, and the bytes that sockets took; and the
cohorts that still hold what was pending because a member is behind or took less: with those that
took less."""


def stamp(
    ticks: list[Tick],
    by_kind: Mapping[type, Mapping[str, Stream]],
    stream_of: Callable[[Tick], Stream],
    ts_out: int,
) -> list[Stream]:
    """Number a burst per stream, +1 for every tick, and stamp it; gives the stream of each tick.

    Args:
        by_kind: the known streams, by tick class and symbol.
        stream_of: gives the stream of the first tick of a new one.
        ts_out: the time of publishing.
    """
    streams: list[Stream] = []
    for tick in ticks:
        stream = by_kind[tick.__class__].get(tick.symbol) or stream_of(tick)
        stream.seq = tick.seq = stream.seq + 1
        tick.ts_out = ts_out
        streams.append(stream)
    return streams


def keep(
    ticks: list[Tick], streams: list[Stream], pack: Callable[[Tick], bytes]
) -> tuple[list[Tick], list[Stream], list[Trade]]:
    """Keep those ticks of a burst that nobody hears, each as its stream's newest.

    Args:
        pack: gives what is kept of a tick.

    Returns:
        The ticks that somebody hears, the stream of each, and the events (trades) among all.
    """
    wanted: list[Tick] = []
    heard: list[Stream] = []
    events: list[Trade] = []
    for tick, stream in zip(ticks, streams, strict=True):
        if stream.is_event:
            events.append(cast(Trade, tick))
        if stream.takers != ():
            wanted.append(tick)
            heard.append(stream)
        else:
            stream.keep(pack(tick))
    return wanted, heard, events


def fan_out(payloads: list[bytes], streams: list[Stream]) -> list[Cohort]:
    """Keep each payload as its stream's newest, and owe it to the cohorts that take the stream.

    Returns:
        The cohorts that were owed nothing before.
    """
    begun: list[Cohort] = []
    for payload, stream in zip(payloads, streams, strict=True):
        stream.keep(payload)
        frame = text_frame(payload)
        for cohort in stream.find_takers() if stream.takers is None else stream.takers:
            items = cohort.items
            if not items:
                begun.append(cohort)
            items.append(payload if cohort.batched else frame)
    return begun


def send_out(owed: list[Cohort]) -> Sent:
    """Send cohorts what is pending for them, and let it go where everybody took it.

    Args:
        owed: each once, as those that are left over keep what was sent until they are told.
    """
    ticks, size = [0, 0, 0, 0], 0
    left: list[Left] = []
    for cohort in owed:
        if not cohort.count:
            continue
        members = cohort.members
        # A payload, framed or not, begins with {"type":" and the type.
        kinds = [own[(at := own.find(b'":"') + 3) : at + 1] for own in cohort.items]
        for kind, count in Counter(kinds).items():
            ticks[_PLACES.get(kind, 3)] += count * members
        taken, short = cohort.send(cohort.current)
        size += taken
        if short or cohort.behind:
            left.append((cohort, short))
        else:
            cohort.clear()
    return tuple(ticks), size, left


def heads(payloads: list[bytes], ticked: Ticked) -> list[tuple[Stream, int]]:
    """Tell the stream and the seq of each payload, from how the codec begins it.

    Raises:
        KeyError: it is of no such stream.
        ValueError: it is no tick in JSON.
    """
    found: list[tuple[Stream, int]] = []
    for payload in payloads:
        begin = payload.index(_SYMBOL) + len(_SYMBOL)
        end = payload.index(_SEQ, begin)
        comma = payload.index(b",", end + len(_SEQ))
        streams = ticked[_PLACES.get(payload[9:10], 3)]
        stream = streams[payload[begin:end].decode()]
        digits = payload[end + len(_SEQ) : comma]
        if not digits.isdigit():
            raise ValueError(f"not a tick in JSON: {payload[:60]!r}")
        found.append((stream, int(digits)))
    return found


_SYMBOL: Final = b'","symbol":"'
_SEQ: Final = b'","seq":'

_PLACES: Final = {b"q": 0, b"t": 1, b"b": 2, b"s": 3}
"""The place of a tick's channel, by the first letter of its type."""

IN_PYTHON: Final = (pending.Pending, stamp, keep, fan_out, send_out, heads)
"""All of it in Python, whatever is used."""

if TYPE_CHECKING:
    from feed.hub.log import Held as Held
    from feed.hub.log import Log as Log
    from feed.hub.pending import Pending as Pending
    from feed.hub.sums import Sums as Sums
    from feed.hub.sums import bars_of as bars_of
    from feed.hub.sums import gather as gather

    Rows: Any
else:
    Pending, Log, Held, Rows = pending.Pending, log.Log, log.Held, None
    Sums, bars_of, gather = sums.Sums, sums.bars_of, sums.gather
    if not os.environ.get("FEED_PURE_PYTHON"):
        with suppress(ImportError):
            from feed.hub import _path

            Pending, Log, Held = _path.Pending, _path.Log, _path.Held
            Sums, Rows = _path.Sums, _path.Rows
            bars_of, gather = _path.bars_of, _path.gather
            from feed.hub._path import fan_out, heads, keep, send_out, stamp

IN_C: Final[bool] = Pending is not pending.Pending
"""Whether what is used is compiled."""
